"""Objects that have a say in ports, drawn at random: few names, so that they meet, and some
mistakes."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

from linkerd.mesh.labels import DEFAULT_INBOUND_POLICY, OPAQUE_PORTS, REQUIRE_IDENTITY_PORTS
from services.policy.index.kinds import Kind
from tests.support.indexes.stored import Makers
from tests.support.policy.objects import POLICY, accepted, item, parents

NAMESPACES: Final = ("fin", "ops")
PODS: Final = ("web-0", "web-1", "db-0")
EXTERNAL: Final = ("vm-7",)
PORTS: Final = (8080, 9000, 9001)

_SERVERS: Final = ("a", "b", "c")
_DAYS: Final = ("", "2026-01-01", "2026-01-02")
_GATEWAY: Final = "gateway.networking.k8s.io"
_ACCOUNTS: Final = ("jam", "pie")


def _labels(r: Random) -> dict[str, str]:
    return {"app": r.choice(["web", "db"]), **({"tier": "x"} if r.random() < 0.3 else {})}


def _selector(r: Random) -> Mapping[str, Any]:
    expressions = r.choice(
        [
            {"key": "app", "operator": "In", "values": ["web", "api"]},
            {"key": "app", "operator": "In", "values": []},
            {"key": "tier", "operator": "NotIn", "values": ["x"]},
            {"key": "tier", "operator": "NotIn", "values": []},
            {"key": "tier", "operator": "Exists"},
            {"key": "tier", "operator": "Exists", "values": []},
        ]
    )
    choice = r.random()
    if choice < 0.4:
        return {}
    if choice < 0.75:
        return {"matchLabels": {"app": r.choice(["web", "db"])}}
    return {"matchExpressions": [expressions]}


def _annotations(r: Random) -> dict[str, str]:
    found = {}
    if r.random() < 0.2:
        policies = ["deny", "all-authenticated", "cluster-unauthenticated", "audit", "sometimes"]
        found[DEFAULT_INBOUND_POLICY] = r.choice(policies)
    if r.random() < 0.2:
        found[OPAQUE_PORTS] = r.choice(["8080", "9000-9001", "9000,oops"])
    if r.random() < 0.2:
        found[REQUIRE_IDENTITY_PORTS] = r.choice(["8080", "9000-9001"])
    return found


def _pod(r: Random) -> Any:
    declared = [
        {"name": name, "containerPort": port, "protocol": r.choice(["TCP", "TCP", "UDP"])}
        for name, port in (("http", r.choice(PORTS)), ("admin", 9001))
        if r.random() < 0.6
    ]
    probe = {"httpGet": {"path": r.choice(["/up?x=1", "/ready", ""]), "port": _port(r)}}
    container = {"ports": declared, **({"readinessProbe": probe} if r.random() < 0.5 else {})}
    spec = {r.choice(["containers", "containers", "initContainers"]): [container]}
    return _made(r, Kind.POD, PODS, spec, labels=_labels(r), annotations=_annotations(r))


def _port(r: Random) -> int | str:
    ports: list[int | str] = [8080, *PORTS, "http", "admin"]
    return r.choice(ports)


def _external(r: Random) -> Any:
    spec = {
        "meshTLS": {"identity": "vm", "serverName": "vm"},
        "ports": [{"name": "http", "port": r.choice(PORTS)}],
    }
    labels, annotations = _labels(r), _annotations(r)
    return _made(r, Kind.EXTERNAL_WORKLOAD, EXTERNAL, spec, labels=labels, annotations=annotations)


def _made(r: Random, kind: Kind, names: Sequence[str], spec: Any, **more: Any) -> Any:
    return item(kind, r.choice(names), spec, namespace=r.choice(NAMESPACES), **more)


def _server(r: Random) -> Any:
    selects = r.choice(["podSelector", "podSelector", "externalWorkloadSelector"])
    spec = {
        "port": _port(r),
        selects: _selector(r),
        "proxyProtocol": r.choice(
            ["unknown", "unknown", "HTTP/1", "HTTP/2", "gRPC", "gRPC", "opaque", "TLS", "smtp"]
        ),
    }
    if r.random() < 0.4:
        spec["accessPolicy"] = r.choice(["all-unauthenticated", "audit", "deny", "maybe"])
    return _made(r, Kind.SERVER, _SERVERS, spec, labels=_labels(r), created=r.choice(_DAYS))


def _networks(r: Random) -> list[dict[str, Any]]:
    cidr = r.choice(["10.1.0.0/16", "10.1.0.0/16", "fd00::/8", "nonsense"])
    return [{"cidr": cidr, **({"except": ["10.1.1.0/24"]} if cidr.startswith("10.") else {})}]


def _server_authorization(r: Random) -> Any:
    server: Any = {"name": r.choice(_SERVERS)} if r.random() < 0.5 else {"selector": _selector(r)}
    client: dict[str, Any] = r.choice(
        [
            {"unauthenticated": True},
            {"unauthenticated": True, "meshTLS": {"unauthenticatedTLS": True}},
            {"meshTLS": {"unauthenticatedTLS": True}},
            {"meshTLS": {"identities": ["*.fin.x"], "serviceAccounts": [{"name": "jam"}]}},
            {"meshTLS": {"serviceAccounts": [{"name": "jam", "namespace": "ops"}]}},
            {},
        ]
    )
    if r.random() < 0.4:
        client = {**client, "networks": _networks(r)}
    names = ("saz-1", "saz-2")
    return _made(r, Kind.SERVER_AUTHORIZATION, names, {"server": server, "client": client})


def _authorization_policy(r: Random) -> Any:
    namespace = r.choice(NAMESPACES)
    target = r.choice(
        [
            {"group": POLICY, "kind": r.choice(["Server", "server"]), "name": r.choice(_SERVERS)},
            {"group": POLICY, "kind": "Server", "name": r.choice(_SERVERS)},
            {"group": "core", "kind": "Namespace", "name": r.choice([namespace, "ops"])},
            {"group": POLICY, "kind": "HttpRoute", "name": "route-1"},
            {"group": _GATEWAY, "kind": "HTTPRoute", "name": "route-1"},
            {"group": _GATEWAY, "kind": "GRPCRoute", "name": "route-1"},
            {"group": "apps", "kind": "Deployment", "name": "web"},
        ]
    )
    each: list[Callable[[], dict[str, Any]]] = [
        lambda: {"group": POLICY, "kind": "MeshTLSAuthentication", "name": r.choice("xy")},
        lambda: {"group": POLICY, "kind": "NetworkAuthentication", "name": r.choice("xy")},
        lambda: {"kind": "ServiceAccount", "name": r.choice(_ACCOUNTS)},
        lambda: {"kind": "Secret", "name": "x"},
    ]
    refs = [r.choices(each, [4, 4, 2, 1])[0]() for _ in range(r.choice([0, 1, 1, 1, 2, 2]))]
    for ref in refs:
        if r.random() < 0.3:
            ref["namespace"] = r.choice(NAMESPACES)
    spec = {"targetRef": target, "requiredAuthenticationRefs": refs}
    return item(
        Kind.AUTHORIZATION_POLICY, r.choice(["ap-1", "ap-2", "ap-3"]), spec, namespace=namespace
    )


def _mesh_tls(r: Random) -> Any:
    spec = {"identities": r.sample(["*", "*.a.b", "a.b", "spiffe://td/w", "oh!"], r.choice([1, 2]))}
    return _made(r, Kind.MESH_TLS_AUTHENTICATION, "xy", spec)


def _network(r: Random) -> Any:
    spec = {"networks": _networks(r) if r.random() < 0.9 else []}
    return _made(r, Kind.NETWORK_AUTHENTICATION, "xy", spec)


def _rate_limit(r: Random) -> Any:
    target = {
        "group": POLICY,
        "kind": r.choice(["Server", "Server", "HTTPRoute"]),
        "name": r.choice(_SERVERS),
    }
    spec = {"targetRef": target, "total": {"requestsPerSecond": r.choice([5, 50])}}
    status = r.choice(["True", "True", "False"])
    return _made(
        r,
        Kind.RATE_LIMIT_POLICY,
        ["rl-1", "rl-2"],
        spec,
        created=r.choice(_DAYS),
        status={"conditions": [{"type": "Accepted", "status": status}]},
    )


def _route_rules(r: Random, kind: Kind) -> list[dict[str, Any]]:
    if kind is Kind.GRPC_ROUTE:
        return [{"matches": [{"method": {"service": r.choice(["a.B", "a.C"])}}]}]
    filters: list[dict[str, Any]] = []
    if r.random() < 0.3:
        host = {"hostname": "x.test", "statusCode": 301}
        filters = [{"type": "RequestRedirect", "requestRedirect": host}]
    if kind is Kind.GATEWAY_HTTP_ROUTE and r.random() < 0.2:
        filters = [{"type": "RequestMirror"}]
    path = {"type": "PathPrefix", "value": r.choice(["/", "/a"])}
    return [{"matches": [{"path": path}], "filters": filters}]


def _route(kind: Kind) -> Callable[[Random], Any]:
    def make(r: Random) -> Any:
        servers = r.sample(_SERVERS, r.choice([1, 1, 2]))
        more: dict[str, Any] = r.choice(
            [*[{}] * 8, {"port": 8080}, {"sectionName": "x"}, {"namespace": "fin"}]
        )
        spec = {
            "parentRefs": [*parents(servers[0], **more), *parents(*servers[1:])],
            "hostnames": ["x.test"] if r.random() < 0.3 else [],
            "rules": _route_rules(r, kind),
        }
        by = r.choice(["linkerd.io/policy-controller"] * 5 + ["other.test/controller"])
        verdict = r.choice(["True"] * 5 + ["False"])
        status = accepted(*r.sample(_SERVERS, r.choice([2, 3])), by=by, status=verdict)
        names = ["route-1", "route-2"]
        return _made(r, kind, names, spec, created=r.choice(_DAYS), status=status)

    return make


MAKERS: Final[Makers] = [
    (4, Kind.POD, _pod),
    (1, Kind.EXTERNAL_WORKLOAD, _external),
    (6, Kind.SERVER, _server),
    (3, Kind.SERVER_AUTHORIZATION, _server_authorization),
    (5, Kind.AUTHORIZATION_POLICY, _authorization_policy),
    (3, Kind.MESH_TLS_AUTHENTICATION, _mesh_tls),
    (3, Kind.NETWORK_AUTHENTICATION, _network),
    (2, Kind.RATE_LIMIT_POLICY, _rate_limit),
    (2, Kind.HTTP_ROUTE, _route(Kind.HTTP_ROUTE)),
    (2, Kind.GATEWAY_HTTP_ROUTE, _route(Kind.GATEWAY_HTTP_ROUTE)),
    (2, Kind.GRPC_ROUTE, _route(Kind.GRPC_ROUTE)),
]
