"""Cases of policy.linkerd.io, but for its HTTPRoute. A and P are the catalogue's."""

from typing import Final

from tests.support.admission.cases import (
    GATEWAY,
    NAMESPACE,
    POLICY,
    Case,
    account,
    authorization_policy,
    egress_network,
    identities,
    identity_refs,
    mesh_tls,
    network,
    network_authentication,
    policy,
    rate_limit,
    reference,
    server,
    server_authorization,
)

INSIDE: Final = {"cidr": "10.4.0.0/16", "except": ["10.4.7.0/24"]}
EQUAL: Final = {"cidr": "10.4.0.0/16", "except": ["10.4.0.0/16"]}
LARGER: Final = {"cidr": "10.4.0.0/16", "except": ["10.0.0.0/8"]}
OUTSIDE: Final = {"cidr": "10.4.0.0/16", "except": ["10.9.0.0/24"]}
NEGATED: Final = "[0].except[0]: the network 10.4.0.0/16 is completely negated by its exception"
NOT_INCLUDED: Final = "[0].except[0]: the network 10.4.0.0/16 does not include its exception"
UNREADABLE: Final = "[0].cidr: 'ten' is no network: write it like 10.0.0.0/8"

SERVERS: Final = [
    Case("a01-p08-audit", server(accessPolicy="audit")),
    Case("a01-p08-maybe", server(accessPolicy="maybe"), "spec.accessPolicy: 'maybe' is none of"),
    Case("p08-allow-all", server(accessPolicy="allow-all"), "spec.accessPolicy: 'allow-all'"),
    Case("p08-empty", server(accessPolicy=""), "spec.accessPolicy: '' is none of"),
    Case("a02", server(proxyProtocol="smtp"), "spec.proxyProtocol: 'smtp' is none of"),
    Case("a02-case", server(proxyProtocol="http/1"), "spec.proxyProtocol: 'http/1' is none of"),
    Case("a03-overlap", server(port="web")),
    Case("port-0", server(port=0), "spec.port: 0 is no port"),
    Case("port-65536", server(port=65536), "spec.port: 65536 is no port: write a number from 1"),
    Case("port-name", server(port=""), "spec.port: '' is no port"),
    Case(
        "no-selector",
        server(podSelector=None),
        "spec.podSelector: must be there",
        schema="spec.podSelector: Required value",
    ),
    Case("external", server(podSelector=None, externalWorkloadSelector={})),
]

SERVER_AUTHORIZATIONS: Final = [
    Case(
        "a04-p12",
        server_authorization(unauthenticated=True, meshTLS={"identities": ["a.b"]}),
        "spec.client.meshTLS: must go",
    ),
    Case(
        "a05-p13",
        server_authorization(meshTLS={"unauthenticatedTLS": True, "identities": ["a.b"]}),
        "spec.client.meshTLS.unauthenticatedTLS: must not be true beside identities",
    ),
    Case(
        "a05-accounts",
        server_authorization(
            meshTLS={"unauthenticatedTLS": True, "serviceAccounts": [{"name": "jam"}]}
        ),
        "spec.client.meshTLS.unauthenticatedTLS: must not be true beside identities",
    ),
    Case(
        "a06-p10-saz-equal",
        server_authorization([EQUAL], unauthenticated=True),
        f"spec.client.networks{NEGATED}",
    ),
    Case(
        "a06-p10-saz-outside",
        server_authorization([OUTSIDE], unauthenticated=True),
        f"spec.client.networks{NOT_INCLUDED}",
    ),
    Case("a06-p10-saz-inside", server_authorization([INSIDE], unauthenticated=True)),
    Case("saz-no-networks", server_authorization([], unauthenticated=True)),
    Case("saz-unauthenticated-tls", server_authorization(meshTLS={"unauthenticatedTLS": True})),
    Case("saz-nobody", server_authorization()),
    Case(
        "saz-cidr",
        server_authorization([{"cidr": "ten"}], unauthenticated=True),
        f"spec.client.networks{UNREADABLE}",
    ),
]

AUTHORIZATION_POLICIES: Final = [
    Case("p01", authorization_policy(mesh_tls(), network())),
    Case(
        "a07-p02-networks",
        authorization_policy(network(), network("two")),
        "spec.requiredAuthenticationRefs: only one NetworkAuthentication can be required, not 2",
    ),
    Case(
        "a08-p02-mesh-tls",
        authorization_policy(mesh_tls(), mesh_tls("two")),
        "spec.requiredAuthenticationRefs: only one MeshTLSAuthentication can be required, not 2",
    ),
    Case(
        "a08-accounts",
        authorization_policy(account(), account("two")),
        "spec.requiredAuthenticationRefs: only one ServiceAccount can be required, not 2",
    ),
    Case(
        "a08-p02-both",
        authorization_policy(mesh_tls(), account()),
        "a MeshTLSAuthentication and a ServiceAccount cannot both be required",
    ),
    Case(
        "a09-p03-other",
        authorization_policy(target=reference("Namespace", "elsewhere")),
        "spec.targetRef.name: 'elsewhere' must be ",
    ),
    Case("a09-p03-own", authorization_policy(target=reference("Namespace", NAMESPACE))),
    Case("a10", authorization_policy()),
    Case(
        "a11",
        authorization_policy(target=reference("Deployment", "web", "apps")),
        "spec.targetRef.kind: 'apps/Deployment' is none of policy.linkerd.io/Server, ",
    ),
    Case(
        "p04",
        authorization_policy(target=reference("Service", "web")),
        "spec.targetRef.kind: 'core/Service' is none of",
    ),
    Case(
        "p05",
        authorization_policy(reference("Secret")),
        "spec.requiredAuthenticationRefs[0].kind: 'core/Secret' is none of policy",
    ),
    *(
        Case(f"targets-{kind}-{group}", authorization_policy(target=reference(kind, "web", group)))
        for kind, group in (
            ("HTTPRoute", POLICY),
            ("HTTPRoute", GATEWAY),
            ("GRPCRoute", GATEWAY),
            ("HttpRoute", POLICY),
            ("server", POLICY),
        )
    ),
]

AUTHENTICATIONS: Final = [
    *(
        Case(f"a12-p06-{name}", identities(name))
        for name in ("*", "*.foo.example", "*.shop.example", "spiffe://td/ns/x", "spiffe://td")
    ),
    *(
        Case(
            f"a13-p06-{name}",
            identities("a.b", name),
            f"spec.identities[1]: '{name}' is no ",
        )
        for name in (
            "foo.*",
            "spiffe://",
            "spiffe://td/a//b",
            "a.*",
            "spiffe:///x",
            "spiffe://td/x/",
            "A.b",
        )
    ),
    Case("identity-refs", identity_refs(account(), reference("Namespace", "kitchen"))),
    Case(
        "a14-p07",
        identity_refs(reference("Namespace", "kitchen", namespace="kitchen")),
        "spec.identityRefs[0].namespace: must go",
    ),
    Case(
        "identity-refs-kind",
        identity_refs(account(), reference("Pod")),
        "spec.identityRefs[1].kind: 'Pod' must be ServiceAccount or Namespace",
    ),
    Case(
        "identity-refs-name",
        policy("MeshTLSAuthentication", "v1alpha1", {"identityRefs": [{"kind": "ServiceAccount"}]}),
        "spec.identityRefs[0].name: must be there",
    ),
    Case("a15-p09", network_authentication(), "spec.networks: must have at least one network"),
    Case("a06-p10-equal", network_authentication(EQUAL), f"spec.networks{NEGATED}"),
    Case("a06-p10-larger", network_authentication(LARGER), f"spec.networks{NEGATED}"),
    Case("a06-p10-inside", network_authentication(INSIDE)),
    Case("a06-p10-outside", network_authentication(OUTSIDE), f"spec.networks{NOT_INCLUDED}"),
    Case("a06-cidr", network_authentication({"cidr": "ten"}), f"spec.networks{UNREADABLE}"),
    Case("address", network_authentication({"cidr": "10.4.0.1"}, {"cidr": "fd00::1"})),
]

EGRESS_NETWORKS: Final = [
    Case("a16-p11-empty", egress_network([]), "spec.networks: must have at least one network"),
    Case("a16-p11-absent", egress_network()),
    Case("a16-some", egress_network([INSIDE], "Allow")),
    Case("a06-egress-equal", egress_network([EQUAL]), f"spec.networks{NEGATED}"),
    Case("a06-egress-outside", egress_network([OUTSIDE]), f"spec.networks{NOT_INCLUDED}"),
    Case("a06-egress-cidr", egress_network([{"cidr": "ten"}]), f"spec.networks{UNREADABLE}"),
    Case(
        "egress-policy",
        egress_network(traffic="Perhaps"),
        "spec.trafficPolicy: 'Perhaps' is none of Allow, Deny",
        schema="spec.trafficPolicy: Unsupported value",
    ),
]

RATE_LIMITS: Final = [
    Case("rate-limit", rate_limit(total=50, identity=5, overrides=[(9, [account()])])),
    Case(
        "a17-target",
        rate_limit(reference("HTTPRoute", "web", POLICY), total=5),
        "spec.targetRef.kind: 'policy.linkerd.io/HTTPRoute' is not policy.linkerd.io/Server",
    ),
    Case(
        "a17-p27-total-0",
        rate_limit(total=0),
        "spec.total.requestsPerSecond: 0 must be a number from 1 to",
    ),
    Case(
        "a17-p27-identity",
        rate_limit(total=10, identity=20),
        "spec.identity.requestsPerSecond: 20 must not be more than spec.total.requestsPerSecond, "
        "which is 10",
    ),
    Case(
        "a17-override",
        rate_limit(total=10, overrides=[(20, [account()])]),
        "spec.overrides[0].requestsPerSecond: 20 must not be more than",
    ),
    Case(
        "a17-identity-0",
        rate_limit(identity=0),
        "spec.identity.requestsPerSecond: 0 must be a number",
    ),
    Case(
        "p27-override-0",
        rate_limit(overrides=[(0, [account()])]),
        "spec.overrides[0].requestsPerSecond: 0 must be a number",
    ),
    Case("a17-no-total", rate_limit(identity=20, overrides=[(30, [account()])])),
    Case(
        "a18",
        rate_limit(overrides=[(5, [account(), reference("Pod")])]),
        "spec.overrides[0].clientRefs[1].kind: 'core/Pod' is not core/ServiceAccount",
    ),
    Case(
        "p27-namespace",
        rate_limit(overrides=[(5, [reference("Namespace")])]),
        "spec.overrides[0].clientRefs[0].kind: 'core/Namespace' is not core/ServiceAccount",
    ),
    Case(
        "rate-too-large",
        rate_limit(total=2**32),
        "spec.total.requestsPerSecond: 4294967296 must be a number from 1 to 4294967295",
    ),
    Case("rate-negative", rate_limit(total=-1), "spec.total.requestsPerSecond: -1 must"),
]

POLICY_CASES: Final = [
    *SERVERS,
    *SERVER_AUTHORIZATIONS,
    *AUTHORIZATION_POLICIES,
    *AUTHENTICATIONS,
    *EGRESS_NETWORKS,
    *RATE_LIMITS,
]
