"""The authority that a request asks for: `service.namespace.svc.<cluster domain>:port`, the same
with a pod's hostname in front, or an IP and a port.

Splitting follows the rules of Go's net package, which clients and other control planes use; what
is refused here is final for a proxy, so only malformed requests are.
"""

import re
from dataclasses import dataclass
from typing import Final

from linkerd.mesh.addresses import canonical_ip
from linkerd.mesh.ports import MAX_PORT

DEFAULT_PORT: Final = 80
_SHOWN: Final = 200  # of an authority, in an error message: long trailers break connections
_MAX_NAME: Final = 253
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)


class AuthorityError(ValueError):
    """It is no authority that this cluster could know. The message is fit for the client."""


@dataclass(frozen=True, slots=True)
class ServiceTarget:
    """A port of a service; `hostname` names one pod of it, or is empty."""

    namespace: str
    service: str
    port: int
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class IpTarget:
    """A port of an IP (in canonical spelling)."""

    ip: str
    port: int


Target = ServiceTarget | IpTarget


def parse_authority(text: str, cluster_domain: str) -> Target:
    """What `text` means in a cluster; without a port, 80. Raises AuthorityError."""
    host, port = _split(text) if ":" in text else (text, DEFAULT_PORT)
    ip = canonical_ip(host)
    if ip is not None:
        return IpTarget(ip, port)
    labels = host.split(".")
    tail = ["svc", *cluster_domain.split(".")]
    names = labels[: -len(tail)]
    if labels[-len(tail) :] != tail or len(names) not in {2, 3} or not all(names):
        raise _error(text, f"not a service of .svc.{cluster_domain}")
    return ServiceTarget(names[-1], names[-2], port, names[0] if len(names) == 3 else "")


def is_target(authority: str) -> bool:
    """Whether traffic can be sent to `authority`: a DNS name as proxies read it (with underscores,
    in any case, with a dot at the end or without), or an IP; and perhaps a port."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        known = bool(bracket) and canonical_ip(host) is not None
        return known and (not rest or (rest[0] == ":" and _is_port(rest[1:])))
    if authority.count(":") > 1:
        return canonical_ip(authority) is not None
    host, colon, port = authority.partition(":")
    known = _is_name(host.removesuffix(".")) or canonical_ip(host) is not None
    return known and (not colon or _is_port(port))


def with_port(authority: str, port: int) -> str:
    """The authority (a name or an IP) as `host:port`, IPv6 hosts in brackets; a port that it has
    stays."""
    bracketed = authority.startswith("[")
    if bracketed and authority.endswith("]"):
        return f"{authority}:{port}"
    if bracketed or authority.count(":") == 1:
        return authority
    return f"[{authority}]:{port}" if ":" in authority else f"{authority}:{port}"


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAX_PORT


def _is_name(host: str) -> bool:
    labels = host.split(".")
    known = len(host) <= _MAX_NAME and all(map(_LABEL.fullmatch, labels))
    return known and not labels[-1].isdigit()


def _split(text: str) -> tuple[str, int]:
    """Host and port of a text that has a colon, as Go's net.SplitHostPort does it."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise _error(text, "missing ']'")
        if not rest.startswith(":"):
            raise _error(text, "missing port")
    else:
        host, _, rest = text.partition(":")
        rest = ":" + rest
    if ":" in rest[1:]:
        raise _error(text, "too many colons")
    if set("[]") & set(host + rest):
        raise _error(text, "unexpected bracket")
    return host, _port(text, rest[1:])


def _port(authority: str, text: str) -> int:
    if _DECIMAL.fullmatch(text) and 0 < int(text) <= MAX_PORT:
        return int(text)
    raise _error(authority, f"the port must be a number from 1 to {MAX_PORT}")


def _error(authority: str, reason: str) -> AuthorityError:
    shown = authority if len(authority) <= _SHOWN else authority[:_SHOWN] + "..."
    return AuthorityError(f'invalid authority "{shown}": {reason}')
