"""Manifests of everything that a status may depend on, at random, in a world so small that things
meet."""

from collections.abc import Callable
from random import Random
from typing import Final

from services.policy.index.kinds import Kind
from tests.support.policy.objects import POLICY
from tests.support.policy.status_model import NETWORKS, Document

NAMESPACES: Final = ("fin", "fin", "fin", "ops")
PARENTS: Final = ("one", "one", "one", "two")
ROUTE_NAMES: Final = ("a", "b")


def manifest(kind: Kind, random: Random) -> Document:
    """An object of that kind, without its status."""
    make, names = _MAKERS[kind]
    spec, annotations = make(random)
    created = random.choice(["", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"])
    return {
        "metadata": {
            "name": random.choice(names),
            "namespace": random.choice(NAMESPACES),
            "annotations": annotations,
            **({"creationTimestamp": created} if created else {}),
        },
        "spec": spec,
    }


Made = tuple[Document, dict[str, str]]


def _server(random: Random) -> Made:
    return {"podSelector": {}, "port": random.choice([8080, 8080, 8080, 0])}, {}


def _service(random: Random) -> Made:
    odd: list[Document] = [
        {"clusterIP": "None"},
        {"type": "ExternalName", "externalName": "x.test"},
    ]
    plain = {"clusterIP": "10.96.0.1", "ports": [{"port": 80}]}
    return random.choice([plain, plain, plain, plain, *odd]), {}


def _egress_network(random: Random) -> Made:
    networks = random.choice(list(NETWORKS.values()))[0]
    return {"trafficPolicy": "Allow", **({} if networks is None else {"networks": networks})}, {}


def _rate_limit(random: Random) -> Made:
    kind = random.choice(["Server", "Server", "Server", "Service"])
    target = {"group": POLICY, "kind": kind, "name": random.choice(PARENTS)}
    return {"targetRef": target, "total": {"requestsPerSecond": 10}}, {}


def _reference(random: Random) -> Document:
    group, kind = random.choice(
        [
            *[("", "Service"), ("", "Service"), ("core", "service"), (POLICY, "Server")],
            *[(POLICY, "EgressNetwork"), ("gateway.networking.k8s.io", "Gateway")],
        ]
    )
    namespace = {"namespace": random.choice(NAMESPACES)} if random.random() < 0.2 else {}
    return {"group": group, "kind": kind, "name": random.choice(PARENTS), **namespace}


def _parent(random: Random) -> Document:
    port = random.choice([None, None, None, 80, 80, 81, 70_000])
    section = {"sectionName": "s"} if random.random() < 0.1 else {}
    return {**_reference(random), **({} if port is None else {"port": port}), **section}


def _backend(random: Random) -> Document:
    reference = _reference(random)
    if reference["kind"] == "service":
        reference["group"] = ""
    return {**reference, "port": 80}


def _route(random: Random, rule: Document) -> Made:
    backends = [_backend(random) for _ in range(random.choice([0, 0, 1, 2]))]
    rules = [{**rule, **({"backendRefs": backends} if backends else {})}]
    parents = [_parent(random) for _ in range(random.choice([0, 1, 2, 3]))]
    bad = {"timeout.linkerd.io/request": "soon"}
    return {"parentRefs": parents, "rules": rules}, bad if random.random() < 0.1 else {}


def _http_route(random: Random) -> Made:
    path = random.choice(["/", "/a", "a"]) if random.random() < 0.3 else "/"
    rule: Document = {"matches": [{"path": {"type": "PathPrefix", "value": path}}]}
    if random.random() < 0.1:
        rule["filters"] = [{"type": "URLRewrite", "urlRewrite": {}}]
    return _route(random, rule)


def _other_route(random: Random) -> Made:
    return _route(random, {})


_MAKERS: Final[dict[Kind, tuple[Callable[[Random], Made], tuple[str, ...]]]] = {
    Kind.SERVER: (_server, PARENTS),
    Kind.SERVICE: (_service, PARENTS),
    Kind.EGRESS_NETWORK: (_egress_network, PARENTS),
    Kind.RATE_LIMIT_POLICY: (_rate_limit, ROUTE_NAMES),
    Kind.HTTP_ROUTE: (_http_route, ROUTE_NAMES),
    Kind.GATEWAY_HTTP_ROUTE: (_http_route, ROUTE_NAMES),
    Kind.GRPC_ROUTE: (_other_route, ROUTE_NAMES),
    Kind.TLS_ROUTE: (_other_route, ROUTE_NAMES),
    Kind.TCP_ROUTE: (_other_route, ROUTE_NAMES),
}
KINDS: Final = tuple(_MAKERS)
"""All kinds that a status depends on."""
