"""policy.linkerd.io, but for its HTTPRoute: Servers, who may reach them and how often, and the
networks outside.

Whatever a schema admits decodes here, so that `linkerd.policy` can say what is wrong with it. A
`None` is an absent field where that is not the same as an empty one.
"""

import msgspec
from msgspec.structs import force_setattr

from linkerd.kube.objects.conditions import Condition
from linkerd.kube.objects.meta import DatedMeta
from linkerd.kube.objects.pool import STRINGS
from linkerd.kube.objects.selector import LabelSelector


class Reference(msgspec.Struct, frozen=True, gc=False):
    """A name of another object. Where `namespace` is None it is in the namespace of whoever names
    it; an empty `name` is one that was not given."""

    kind: str
    name: str = ""
    group: str = ""
    namespace: str | None = None


class Block(msgspec.Struct, frozen=True, gc=False):
    """Addresses in CIDR notation, but for those in `except`."""

    cidr: str
    except_: tuple[str, ...] = msgspec.field(name="except", default=())


class ServerSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A port, by number or name, of the workloads that a selector chooses. A selector that is None
    chooses none."""

    port: int | str
    pod_selector: LabelSelector | None = None
    external_workload_selector: LabelSelector | None = None
    proxy_protocol: str = "unknown"
    access_policy: str | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "proxy_protocol", STRINGS.share(self.proxy_protocol))
        if self.access_policy is not None:
            force_setattr(self, "access_policy", STRINGS.share(self.access_policy))


class Server(msgspec.Struct, frozen=True, gc=False):
    """A Server."""

    metadata: DatedMeta
    spec: ServerSpec


class ServerChoice(msgspec.Struct, frozen=True, gc=False):
    """Servers of the same namespace, by name or by labels."""

    name: str | None = None
    selector: LabelSelector | None = None


class ServiceAccountName(msgspec.Struct, frozen=True, gc=False):
    """A ServiceAccount, of the same namespace if `namespace` is None."""

    name: str
    namespace: str | None = None


class MeshTLSClient(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Clients that come by TLS of the mesh, with an identity or without."""

    unauthenticated_tls: bool = msgspec.field(name="unauthenticatedTLS", default=False)
    identities: tuple[str, ...] = ()
    service_accounts: tuple[ServiceAccountName, ...] = ()


class ServerClient(msgspec.Struct, frozen=True, gc=False):
    """Who may come, and from where."""

    networks: tuple[Block, ...] | None = None
    unauthenticated: bool = False
    mesh_tls: MeshTLSClient | None = msgspec.field(name="meshTLS", default=None)


class ServerAuthorizationSpec(msgspec.Struct, frozen=True, gc=False):
    """Who may reach which Servers."""

    server: ServerChoice
    client: ServerClient


class ServerAuthorization(msgspec.Struct, frozen=True, gc=False):
    """A ServerAuthorization."""

    metadata: DatedMeta
    spec: ServerAuthorizationSpec


class AuthorizationPolicySpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What may be reached by those who meet all of the authentications."""

    target_ref: Reference
    required_authentication_refs: tuple[Reference, ...]
    """Without any everybody may, so one that is not there must not pass for none."""


class AuthorizationPolicy(msgspec.Struct, frozen=True, gc=False):
    """An AuthorizationPolicy."""

    metadata: DatedMeta
    spec: AuthorizationPolicySpec


class MeshTLSAuthenticationSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Identities, as text or as the objects that have them."""

    identities: tuple[str, ...] | None = None
    identity_refs: tuple[Reference, ...] | None = None


class MeshTLSAuthentication(msgspec.Struct, frozen=True, gc=False):
    """A MeshTLSAuthentication."""

    metadata: DatedMeta
    spec: MeshTLSAuthenticationSpec


class NetworkAuthenticationSpec(msgspec.Struct, frozen=True, gc=False):
    """Where clients come from."""

    networks: tuple[Block, ...] = ()


class NetworkAuthentication(msgspec.Struct, frozen=True, gc=False):
    """A NetworkAuthentication."""

    metadata: DatedMeta
    spec: NetworkAuthenticationSpec


class Limit(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How often."""

    requests_per_second: int


class Override(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How often some clients may, instead of `identity`."""

    requests_per_second: int
    client_refs: tuple[Reference, ...] = ()


class HTTPLocalRateLimitPolicySpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How often a Server may be called: by all together, by each client, by some."""

    target_ref: Reference
    total: Limit | None = None
    identity: Limit | None = None
    overrides: tuple[Override, ...] = ()


class HTTPLocalRateLimitPolicyStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Whether it is in force."""

    conditions: tuple[Condition, ...] = ()
    target_ref: Reference | None = None


class HTTPLocalRateLimitPolicy(msgspec.Struct, frozen=True, gc=False):
    """An HTTPLocalRateLimitPolicy."""

    metadata: DatedMeta
    spec: HTTPLocalRateLimitPolicySpec
    status: HTTPLocalRateLimitPolicyStatus = HTTPLocalRateLimitPolicyStatus()


class EgressNetworkSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Networks outside of the cluster, all of them where `networks` is None, and whether traffic
    that no route takes may go there."""

    traffic_policy: str
    networks: tuple[Block, ...] | None = None


class EgressNetworkStatus(msgspec.Struct, frozen=True, gc=False):
    """Whether it is in force."""

    conditions: tuple[Condition, ...] = ()


class EgressNetwork(msgspec.Struct, frozen=True, gc=False):
    """An EgressNetwork."""

    metadata: DatedMeta
    spec: EgressNetworkSpec
    status: EgressNetworkStatus = EgressNetworkStatus()
