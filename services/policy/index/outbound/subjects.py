"""Names of what can change, for outbound answers."""

from typing import Final

from linkerd.index import Subject
from linkerd.policy.references import GroupKind

SETTINGS: Final = "outbound-settings"
POLICY: Final = "outbound-policy"


def parent(kind: GroupKind, namespace: str, name: str) -> Subject:
    """A Service or EgressNetwork as an object: all that it says."""
    return "outbound-parent", kind.kind, namespace, name


def settings(kind: GroupKind, namespace: str, name: str) -> Subject:
    """What a Service or EgressNetwork says of traffic to it."""
    return SETTINGS, kind.kind, namespace, name


def existence(kind: GroupKind, namespace: str, name: str) -> Subject:
    """Whether there is such an object."""
    return "outbound-existence", kind.kind, namespace, name


def address(ip: str) -> Subject:
    """Which Services have an IP."""
    return "outbound-address", ip


def ports(namespace: str, name: str) -> Subject:
    """Which ports a Service declares."""
    return "outbound-ports", namespace, name


def egress_networks(namespace: str) -> Subject:
    """The EgressNetworks of a namespace, with their addresses."""
    return "outbound-egress-networks", namespace


def routes(kind: GroupKind, namespace: str, name: str, source: str) -> Subject:
    """The routes of a parent that stand in the namespace `source`."""
    return "outbound-routes", kind.kind, namespace, name, source


def policy(kind: GroupKind, namespace: str, name: str, port: int, source: str, ip: str) -> Subject:
    """The policy of a port of a parent. `source` is whose routes count besides the parent's own,
    empty if nobody's; `ip` is the address that was asked for, of an EgressNetwork."""
    return POLICY, kind.kind, namespace, name, str(port), source, ip
