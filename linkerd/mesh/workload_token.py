"""The token by which a proxy says for which workload it asks for policy. It is unauthenticated, but
what it names decides the answer, so one that cannot be read is an error."""

from dataclasses import dataclass
from typing import Final

import msgspec

_MAX_NAME: Final = 253  # characters that any name on the cluster may have
_SHOWN: Final = 100  # characters of a token, in an error message: long trailers break connections


class WorkloadTokenError(ValueError):
    """It names no workload. The message is fit for the client."""


@dataclass(frozen=True, slots=True)
class WorkloadToken:
    """A pod, or an ExternalWorkload."""

    namespace: str
    name: str
    is_external: bool = False


class _Json(msgspec.Struct):
    ns: str
    pod: str | None = None
    external_workload: str | None = None


_decode: Final = msgspec.json.Decoder(_Json).decode


def parse_workload(text: str) -> WorkloadToken:
    """Reads a token: JSON `{"ns": ..., "pod": ...}` or `{"ns": ..., "external_workload": ...}`, or
    the old `NAMESPACE:POD`. Raises WorkloadTokenError."""
    stripped = text.strip()
    if not stripped.startswith("{"):
        namespace, _, pod = stripped.partition(":")
        return _named(text, namespace, pod)
    try:
        token = _decode(stripped)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise _error(text) from error
    if token.external_workload is not None and token.pod is None:
        return _named(text, token.ns, token.external_workload, is_external=True)
    return _named(text, token.ns, token.pod or "")


def _named(text: str, namespace: str, name: str, *, is_external: bool = False) -> WorkloadToken:
    if not 0 < len(namespace) <= _MAX_NAME or not 0 < len(name) <= _MAX_NAME:
        raise _error(text)
    return WorkloadToken(namespace, name, is_external)


def _error(text: str) -> WorkloadTokenError:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return WorkloadTokenError(
        f"invalid workload {shown!r}: must be JSON with ns and pod (or external_workload), "
        "or NAMESPACE:POD"
    )
