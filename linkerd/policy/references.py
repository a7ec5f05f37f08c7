"""Kinds that policy objects name, and how they name them."""

from dataclasses import dataclass
from typing import Final

POLICY_GROUP: Final = "policy.linkerd.io"
GATEWAY_GROUP: Final = "gateway.networking.k8s.io"

_CORE: Final = "core"  # the empty group, when somebody spells it


@dataclass(frozen=True, slots=True)
class GroupKind:
    """A kind of objects; `group` is empty for those of Kubernetes' core."""

    group: str
    kind: str

    def is_named(self, group: str | None, kind: str) -> bool:
        """Whether a reference with this group and kind means objects of this kind: case does not
        matter, and a group that is absent or `core` is the empty one."""
        return kind.lower() == self.kind.lower() and plain_group(group) == self.group

    def __str__(self) -> str:
        return f"{self.group or _CORE}/{self.kind}"


def plain_group(group: str | None) -> str:
    """The group that is meant, in lower case: "" for the core group, however it is spelt."""
    lower = (group or "").lower()
    return "" if lower == _CORE else lower


SERVICE: Final = GroupKind("", "Service")
NAMESPACE: Final = GroupKind("", "Namespace")
SERVICE_ACCOUNT: Final = GroupKind("", "ServiceAccount")
SERVER: Final = GroupKind(POLICY_GROUP, "Server")
EGRESS_NETWORK: Final = GroupKind(POLICY_GROUP, "EgressNetwork")
MESH_TLS_AUTHENTICATION: Final = GroupKind(POLICY_GROUP, "MeshTLSAuthentication")
NETWORK_AUTHENTICATION: Final = GroupKind(POLICY_GROUP, "NetworkAuthentication")
LINKERD_HTTP_ROUTE: Final = GroupKind(POLICY_GROUP, "HTTPRoute")
GATEWAY_HTTP_ROUTE: Final = GroupKind(GATEWAY_GROUP, "HTTPRoute")
GRPC_ROUTE: Final = GroupKind(GATEWAY_GROUP, "GRPCRoute")
TLS_ROUTE: Final = GroupKind(GATEWAY_GROUP, "TLSRoute")
TCP_ROUTE: Final = GroupKind(GATEWAY_GROUP, "TCPRoute")


def referred(group: str | None, kind: str, known: tuple[GroupKind, ...]) -> GroupKind:
    """Which of the known kinds a reference means, or the kind that it names, which is none of
    them."""
    for each in known:
        if each.is_named(group, kind):
            return each
    return GroupKind(plain_group(group), kind)
