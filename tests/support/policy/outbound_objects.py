"""Objects that have a say in what clients are told, drawn at random: few names, so that they meet,
and some mistakes."""

from collections.abc import Mapping
from random import Random
from typing import Any, Final

from linkerd.mesh import labels
from services.policy.index.kinds import Kind
from tests.support.indexes.stored import Makers
from tests.support.policy.objects import CONTROLLER, POLICY, item

NAMESPACES: Final = ("fin", "ops")
SHARED: Final = "linkerd-egress"
SOURCES: Final = (*NAMESPACES, "apps")
SERVICES: Final = ("pear", "plum", "world")
NETWORKS: Final = ("world", "moon")
IPS: Final = ("10.96.0.1", "10.96.0.2", "10.96.0.3", "fd00::1")
OUTSIDE: Final = ("203.0.113.7", "203.0.113.200", "198.51.100.1", "2001:db8::7")
PORTS: Final = (8080, 9090, 3306)

_DAYS: Final = ("", "2026-01-01", "2026-01-01", "2026-01-02")
_CIDRS: Final[list[Mapping[str, Any]]] = [
    {"cidr": "203.0.113.0/24"},
    {"cidr": "203.0.113.0/24", "except": ["203.0.113.0/25"]},
    {"cidr": "203.0.113.7"},
    {"cidr": "203.0.0.0/16", "except": ["203.0.113.7/32"]},
    {"cidr": "2001:db8::/32"},
    {"cidr": "10.96.0.0/24"},
    {"cidr": "oops"},
]
_ANNOTATIONS: Final[list[Mapping[str, str]]] = [
    {labels.OPAQUE_PORTS: "9090"},
    {labels.OPAQUE_PORTS: "oops"},
    {labels.TIMEOUT_REQUEST: "3s", labels.TIMEOUT_IDLE: "5s"},
    {labels.TIMEOUT_REQUEST: "3"},
    {labels.RETRY_HTTP: "5xx", labels.RETRY_LIMIT: "3"},
    {labels.RETRY_GRPC: "internal", labels.RETRY_HTTP: "500"},
    {labels.FAILURE_ACCRUAL: "consecutive"},
    {labels.FAILURE_ACCRUAL: "weird"},
    {labels.PENALIZE_FAILURES: "true"},
]


def _annotations(r: Random) -> dict[str, str]:
    found: dict[str, str] = {}
    for chosen in r.sample(_ANNOTATIONS, r.choice([0, 0, 1, 2])):
        found |= chosen
    return found


def _service(r: Random) -> Any:
    ips = r.choice([["None"], [r.choice(IPS)], [r.choice(IPS)], r.sample(IPS, 2)])
    ports = [
        {"port": port, **r.choice([{}, {}, {"appProtocol": r.choice(_PROTOCOLS)}])}
        for port in PORTS
        if r.random() < 0.7
    ]
    spec = {"clusterIP": ips[0], "clusterIPs": ips, "ports": ports}
    return item(
        Kind.SERVICE,
        r.choice(SERVICES),
        spec,
        namespace=r.choice(NAMESPACES),
        annotations=_annotations(r),
    )


_PROTOCOLS: Final = ("http", "HTTP", "kubernetes.io/h2c", "linkerd.io/tcp", "xmpp", "")


def _egress_network(r: Random) -> Any:
    spec: dict[str, Any] = {"trafficPolicy": r.choice(["Allow", "Deny", "Deny", "Perhaps"])}
    if r.random() < 0.8:
        spec["networks"] = r.sample(_CIDRS, r.choice([1, 1, 2]))
    return item(
        Kind.EGRESS_NETWORK,
        r.choice(NETWORKS),
        spec,
        namespace=r.choice((*NAMESPACES, SHARED)),
        annotations=_annotations(r),
        created=r.choice(_DAYS),
    )


def _parent(r: Random) -> dict[str, Any]:
    if r.random() < 0.6:
        made: dict[str, Any] = {"group": r.choice(["", "core"]), "kind": "Service"}
        made["name"] = r.choice(SERVICES)
    else:
        made = {"group": POLICY, "kind": "EgressNetwork", "name": r.choice(NETWORKS)}
    if r.random() < 0.7:
        made["namespace"] = r.choice(NAMESPACES)
    if r.random() < 0.6:
        made["port"] = r.choice(PORTS)
    if r.random() < 0.05:
        made["kind"] = r.choice(["", "Gateway"])
    return made


def _backend(r: Random) -> dict[str, Any]:
    made: dict[str, Any] = {"name": r.choice(SERVICES), "port": r.choice(PORTS)}
    if r.random() < 0.25:
        made |= {"group": POLICY, "kind": "EgressNetwork", "name": r.choice(NETWORKS)}
    if r.random() < 0.4:
        made["namespace"] = r.choice(NAMESPACES)
    if r.random() < 0.3:
        made["weight"] = r.choice([0, 7])
    if r.random() < 0.05:
        del made["port"]
    if r.random() < 0.05:
        made["kind"] = "Bogus"
    return made


def _status(r: Random, references: list[dict[str, Any]]) -> dict[str, Any]:
    judged = []
    for reference in references:
        known = _parent(r) if r.random() < 0.1 else dict(reference)
        if r.random() < 0.1:
            known.pop("port", None)
        accepted = {"type": "Accepted", "status": r.choice(["True"] * 6 + ["False", "Unknown"])}
        by = CONTROLLER if r.random() < 0.9 else "example.test/gateway"
        judged.append({"parentRef": known, "controllerName": by, "conditions": [accepted]})
    return {"parents": judged if r.random() < 0.9 else []}


def _route(kind: Kind) -> Any:
    def make(r: Random) -> Any:
        references = [_parent(r) for _ in range(r.choice([1, 1, 1, 2]))]
        spec: dict[str, Any] = {"parentRefs": references, "rules": _rules(r, kind)}
        if kind is not Kind.TCP_ROUTE and r.random() < 0.3:
            spec["hostnames"] = [r.choice(["a.test", "*.b.test", "not a host"])]
        return item(
            kind,
            r.choice(["r", "s"]),
            spec,
            namespace=r.choice(SOURCES),
            annotations=_annotations(r) if r.random() < 0.4 else {},
            created=r.choice(_DAYS),
            status=_status(r, references),
        )

    return make


def _rules(r: Random, kind: Kind) -> list[dict[str, Any]]:
    streams = kind in (Kind.TLS_ROUTE, Kind.TCP_ROUTE)
    number = r.choice([1] * 9 + [2]) if streams else r.choice([0, 1, 1, 2])
    rules: list[dict[str, Any]] = []
    for _ in range(number):
        rule: dict[str, Any] = {"backendRefs": [_backend(r) for _ in range(r.choice([0, 1, 2]))]}
        if not streams and r.random() < 0.1:
            rule["filters"] = [{"type": "URLRewrite"}]
        if kind in (Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE) and r.random() < 0.3:
            rule["timeouts"] = {"request": r.choice(["2s", "0s", "soon"])}
        rules.append(rule)
    return rules


ROUTES: Final = (
    Kind.HTTP_ROUTE,
    Kind.GATEWAY_HTTP_ROUTE,
    Kind.GRPC_ROUTE,
    Kind.TLS_ROUTE,
    Kind.TCP_ROUTE,
)
MAKERS: Final[Makers] = [
    (8, Kind.SERVICE, _service),
    (5, Kind.EGRESS_NETWORK, _egress_network),
    *((4 if kind is Kind.HTTP_ROUTE else 2, kind, _route(kind)) for kind in ROUTES),
]
