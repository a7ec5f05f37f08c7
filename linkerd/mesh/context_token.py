"""The context token that a proxy sends along: who asks, and from where. It is advisory and
unauthenticated, so nothing in it can make a request fail."""

import json
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class ContextToken:
    """The namespace, node and name of the pod that asks; empty where unknown."""

    namespace: str = ""
    node: str = ""
    pod: str = ""

    def __str__(self) -> str:
        """As proxies send it; what is unknown is left out."""
        said = {"ns": self.namespace, "nodeName": self.node, "pod": self.pod}
        return json.dumps({field: value for field, value in said.items() if value})


_FIELDS = {"ns": "namespace", "nodename": "node", "pod": "pod"}


def parse_context(text: str) -> ContextToken | None:
    """Reads a token: JSON `{"ns": ..., "nodeName": ..., "pod": ...}`, or the old `ns:<name>`.

    Nothing at all is an empty token. None when it is neither; the caller goes on with an empty one.
    """
    if not text.strip():
        return ContextToken()
    try:
        return _from_json(msgspec.json.decode(text))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        kind, _, namespace = text.partition(":")
        return ContextToken(namespace) if kind == "ns" and ":" not in namespace else None


def _from_json(value: object) -> ContextToken | None:
    if value is None:
        return ContextToken()
    if not isinstance(value, dict):
        return None
    found = {_FIELDS[key.lower()]: said for key, said in value.items() if key.lower() in _FIELDS}
    if not all(isinstance(said, str | None) for said in found.values()):
        return None
    return ContextToken(**{field: said or "" for field, said in found.items()})
