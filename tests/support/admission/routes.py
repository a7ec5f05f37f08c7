"""Cases of routes, of both groups. A and P are the catalogue's ids."""

from collections.abc import Mapping
from typing import Any, Final

from tests.support.admission.cases import POLICY, Case, gateway, policy

SERVER: Final = {"group": POLICY, "kind": "Server", "name": "web"}
SERVICE: Final = {"group": "", "kind": "Service", "name": "web", "port": 80}
EGRESS: Final = {"group": POLICY, "kind": "EgressNetwork", "name": "out", "port": 443}
NO_PORT: Final = {"group": POLICY, "kind": "EgressNetwork", "name": "out"}
GATEWAY_PARENT: Final = {"kind": "Gateway", "name": "door"}
BACKEND: Final = {"name": "jam", "port": 80}
HEADER: Final = {"name": "x-a", "value": "1"}

Parent = Mapping[str, Any]


def linkerd_http(
    parent: Parent = SERVER, *, annotations: Any = None, **rule: Any
) -> dict[str, Any]:
    """A linkerd HTTPRoute of one rule with these fields."""
    spec = {"parentRefs": [parent], "rules": [rule]}
    return policy("HTTPRoute", "v1beta3", spec, annotations=annotations or {})


def http(parent: Parent = SERVICE, *, annotations: Any = None, **rule: Any) -> dict[str, Any]:
    """A Gateway API HTTPRoute of one rule with these fields."""
    spec = {"parentRefs": [parent], "rules": [rule]}
    return gateway("HTTPRoute", "v1", spec, annotations=annotations or {})


def grpc(parent: Parent = SERVICE, *, annotations: Any = None, **rule: Any) -> dict[str, Any]:
    spec = {"parentRefs": [parent], "rules": [rule]}
    return gateway("GRPCRoute", "v1", spec, annotations=annotations or {})


def tcp(parent: Parent = SERVICE, rules: int = 1, kind: str = "TCPRoute") -> dict[str, Any]:
    spec: dict[str, Any] = {
        "parentRefs": [parent],
        "rules": [{"backendRefs": [BACKEND]} for _ in range(rules)],
    }
    if kind == "TLSRoute":
        spec["hostnames"] = ["fruit.example"]
    return gateway(kind, "v1alpha2", spec)


def path(kind: str, value: str) -> list[dict[str, Any]]:
    return [{"path": {"type": kind, "value": value}}]


def redirect(**modifier: Any) -> list[dict[str, Any]]:
    return [{"type": "RequestRedirect", "requestRedirect": {"path": modifier}}]


def modifier(**changes: Any) -> list[dict[str, Any]]:
    return [{"type": "RequestHeaderModifier", "requestHeaderModifier": changes}]


ROOT: Final = {"type": "ReplaceFullPath", "replaceFullPath": "/"}
REWRITE: Final = [{"type": "URLRewrite", "urlRewrite": {"path": ROOT}}]

LINKERD: Final = [
    Case("linkerd-http", linkerd_http(matches=path("PathPrefix", "/a"))),
    Case(
        "a19-redirect",
        linkerd_http(filters=redirect(type="ReplaceFullPath", replaceFullPath="foo")),
        "spec.rules[0].filters[0].requestRedirect.path.replaceFullPath: must begin",
    ),
    Case("a19-p14-exact", linkerd_http(matches=path("Exact", "x")), "matches[0].path.value: must"),
    Case("a19-prefix", linkerd_http(matches=path("PathPrefix", "foo")), "path.value: must begin"),
    Case(
        "p15-look-ahead",
        linkerd_http(matches=path("RegularExpression", "/a(?=b)")),
        "spec.rules[0].matches[0].path.value: ",
    ),
    Case(
        "a20-p16",
        linkerd_http(timeouts={"request": "1s", "backendRequest": "2s"}),
        "spec.rules[0].timeouts.backendRequest: must not be longer",
    ),
    Case(
        "a20-zero",
        linkerd_http(timeouts={"request": "0s", "backendRequest": "1s"}),
        "spec.rules[0].timeouts.backendRequest: must not be longer",
    ),
    Case("a20-fits", linkerd_http(timeouts={"request": "2s", "backendRequest": "2s"})),
    Case(
        "a20-negative",
        linkerd_http(timeouts={"request": "-1s"}),
        "spec.rules[0].timeouts.request: ",
    ),
    Case("a25-p17-linkerd", linkerd_http(NO_PORT), "spec.parentRefs[0].port: must be given"),
    Case("a25-port-linkerd", linkerd_http(EGRESS)),
    Case(
        "header-name",
        linkerd_http(filters=modifier(add=[{"name": "a b", "value": "1"}])),
        "spec.rules[0].filters[0].requestHeaderModifier.add[0].name: ",
        schema="add[0].name: Invalid value",
    ),
]

ANNOTATED: Final = [
    *(
        Case(
            f"p18-timeout-{value}",
            linkerd_http(SERVICE, annotations={"timeout.linkerd.io/request": value}),
            refused,
        )
        for value, refused in (
            ("1.5s", "metadata.annotations[timeout.linkerd.io/request]: "),
            ("5", "metadata.annotations[timeout.linkerd.io/request]: "),
            ("0", None),
            ("2s", None),
        )
    ),
    Case("p19", linkerd_http(annotations={"timeout.linkerd.io/request": "1.5s"})),
    *(
        Case(
            f"p20-retry-{value}",
            http(annotations={"retry.linkerd.io/http": value}),
            refused,
        )
        for value, refused in (
            ("5xx,429", None),
            ("5xx, 429", "metadata.annotations[retry.linkerd.io/http]: "),
            ("499-400", "metadata.annotations[retry.linkerd.io/http]: "),
            ("gateway-error", None),
        )
    ),
    Case(
        "p21",
        http(annotations={"retry.linkerd.io/limit": "70000"}),
        "metadata.annotations[retry.linkerd.io/limit]: ",
    ),
    Case(
        "a22-service",
        http(annotations={"retry.linkerd.io/http": "some"}),
        "metadata.annotations[retry.linkerd.io/http]: ",
    ),
    Case("a22-gateway", http(GATEWAY_PARENT, annotations={"retry.linkerd.io/http": "some"})),
    Case("a22-other-protocol", http(annotations={"retry.linkerd.io/grpc": "some"})),
    Case(
        "a22-grpc",
        grpc(annotations={"retry.linkerd.io/grpc": "some"}),
        "metadata.annotations[retry.linkerd.io/grpc]: ",
    ),
]

GATEWAYS: Final = [
    Case("http", http(backendRefs=[BACKEND], filters=modifier(set=[HEADER], remove=["x-b"]))),
    Case(
        "a21",
        http(filters=REWRITE, backendRefs=[BACKEND]),
        warns='HTTPRoute "pear" will have no effect on the mesh: spec.rules[0].filters[0].type: ',
    ),
    Case("a21-gateway", http(GATEWAY_PARENT, filters=REWRITE, backendRefs=[BACKEND])),
    Case(
        "a23-p24-p28b",
        http(backendRefs=[{"name": "jam"}]),
        "spec.rules[0].backendRefs[0].port: must be given",
        schema="a Service needs a port",
    ),
    Case("a23-gateway", http(GATEWAY_PARENT, backendRefs=[BACKEND])),
    Case(
        "a23-p24-kind",
        http(backendRefs=[{"group": "x.example", "kind": "Bucket", "name": "jam"}]),
    ),
    Case("a25-p17-http", http(NO_PORT), "spec.parentRefs[0].port: must be given"),
    Case("a25-p17-grpc", grpc(NO_PORT), "spec.parentRefs[0].port: must be given"),
    Case("a25-p17-tls", tcp(NO_PORT, kind="TLSRoute"), "spec.parentRefs[0].port: must be given"),
    Case("a25-p17-tcp", tcp(NO_PORT), "spec.parentRefs[0].port: must be given"),
    Case("a25-port-tcp", tcp(EGRESS)),
    Case("a24-two", tcp(rules=2), "spec.rules: must have one rule, not 2"),
    Case("a24-gateway", tcp(GATEWAY_PARENT, rules=2)),
    Case("a24-one", tcp()),
    Case("p26-two", tcp(rules=2, kind="TLSRoute"), "spec.rules: must have one rule, not 2"),
    Case(
        "p26-none",
        tcp(rules=0, kind="TLSRoute"),
        "spec.rules: must have one rule, not 0",
        schema="should have at least 1 items",
    ),
    Case("p26-one", tcp(kind="TLSRoute")),
    Case(
        "a26-p25",
        grpc(matches=[{"method": {"type": "RegularExpression", "service": "a"}}]),
        "spec.rules[0].matches[0].method.type: ",
    ),
    Case(
        "a26-gateway",
        grpc(GATEWAY_PARENT, matches=[{"method": {"type": "RegularExpression", "service": "a"}}]),
    ),
    Case("grpc", grpc(matches=[{"method": {"service": "a", "method": "B"}}])),
    Case("path-gateway", http(GATEWAY_PARENT, matches=path("RegularExpression", "/a(?=b)"))),
    Case(
        "path",
        http(matches=path("RegularExpression", "/a(?=b)")),
        "spec.rules[0].matches[0].path.value: ",
    ),
]

ROUTE_CASES: Final = [*LINKERD, *ANNOTATED, *GATEWAYS]
