"""Authorities by which proxies name Services: `NAME.NAMESPACE.svc` with the cluster's domain behind
it, or with another, or without, and perhaps a port.

A proxy fails the connection for good if its authority is malformed. Any other name that is no
Service's is unknown, and the proxy goes by what else it knows.
"""

import re
from typing import Final

from linkerd.kube.objects import Key
from linkerd.mesh.authority import DEFAULT_PORT, AuthorityError
from linkerd.mesh.names import is_dns_label
from linkerd.mesh.ports import MAX_PORT
from services.policy.index.outbound.errors import UnknownTargetError

_SHOWN: Final = 200  # characters of an authority, in an error message
_FORM: Final = re.compile(
    r"(?:[^\s@/?#%\\\[\]]*@)?(?P<host>[^\s@:/?#%\\\[\]]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]*))?",
    re.ASCII,
)
_SERVICE: Final = 2  # which label says that the first two are a Service's


def parse_service(text: str) -> tuple[Key, int]:
    """The Service that an authority names, which need not exist, and the port: 80 if there is
    none. Raises AuthorityError and UnknownTargetError."""
    form = _FORM.fullmatch(text) if text.isascii() else None
    if form is None:
        raise AuthorityError(f'authority: "{_shown(text)}" is no host, or no host and port')
    port = int(form["port"] or DEFAULT_PORT) if len(form["port"] or "") <= 5 else 0
    if not 0 < port <= MAX_PORT:
        raise AuthorityError(f'authority: the port of "{_shown(text)}" is not 1 to {MAX_PORT}')
    labels = form["host"].lower().split(".", _SERVICE + 1)
    named = len(labels) > _SERVICE and labels[_SERVICE] == "svc"  # with any domain behind it
    if not named or not all(map(is_dns_label, labels[:_SERVICE])):
        raise UnknownTargetError(f'authority: "{_shown(text)}" names no Service of this cluster')
    return Key(labels[1], labels[0]), port


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
