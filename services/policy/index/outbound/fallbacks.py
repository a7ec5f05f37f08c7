"""Policies of addresses that nothing speaks for: outside the cluster, or a port that a Service does
not have."""

from typing import Final

from linkerd.kube.objects import Key
from linkerd.policy.matches import HttpMatch
from linkerd.policy.references import SERVICE
from services.policy.index.outbound.backends import resource_of
from services.policy.index.outbound.targets import Parent
from services.policy.model.mesh_settings import MeshSettings
from services.policy.model.outbound import (
    NOT_ALLOWED,
    Backend,
    Forward,
    OutboundPolicy,
    Protocol,
    Route,
    RouteBackend,
    Rule,
)

_EGRESS: Final = "egress-fallback"
_UNDEFINED: Final = "undefined-port"


def external_policy(mesh: MeshSettings, ip: str, port: int) -> OutboundPolicy:
    """Traffic goes on to where it was sent. Ports that are opaque unless a Service says otherwise
    are so outside of the cluster, too."""
    backends = (RouteBackend(Backend(_EGRESS, Forward(ip, port))),)
    stream = Route(_EGRESS, (Rule(backends=backends),))
    if port in mesh.opaque_ports:
        return OutboundPolicy(_EGRESS, Protocol.OPAQUE, stream=stream)
    http = Route(_EGRESS, (Rule(matches=(HttpMatch(),), backends=backends),))
    return OutboundPolicy(_EGRESS, Protocol.DETECT, (http,), stream)


def undefined_port_policy(service: Key, port: int) -> OutboundPolicy:
    """Connections are refused."""
    name = resource_of(Parent(SERVICE, service, port))
    refusing = Route(_UNDEFINED, (Rule(refusal=NOT_ALLOWED),))
    return OutboundPolicy(name, Protocol.OPAQUE, stream=refusing)
