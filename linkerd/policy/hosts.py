"""Hosts that requests are for, or names that TLS clients ask for."""

from dataclasses import dataclass
from typing import Final

from linkerd.mesh.names import is_dns_subdomain
from linkerd.policy.errors import PolicyError, shown

_WILDCARD: Final = "*."


@dataclass(frozen=True, slots=True)
class ExactHost:
    """This host."""

    name: str


@dataclass(frozen=True, slots=True)
class HostSuffix:
    """All hosts below a domain: `*.fruit.test` has the labels `("test", "fruit")`."""

    reversed_labels: tuple[str, ...]


HostMatch = ExactHost | HostSuffix


def judge_hosts(hostnames: tuple[str, ...], field: str) -> tuple[HostMatch, ...]:
    """What the hostnames of a route match. Raises PolicyError for one that is no DNS name."""
    return tuple(_host(name, f"{field}[{at}]") for at, name in enumerate(hostnames))


def _host(name: str, field: str) -> HostMatch:
    domain = name.removeprefix(_WILDCARD)
    if not is_dns_subdomain(domain):
        raise PolicyError(field, f"{shown(name)} is no DNS name in lower case, or *. before one")
    if domain == name:
        return ExactHost(name)
    return HostSuffix(tuple(reversed(domain.split("."))))
