"""Routes of all kinds."""

from datetime import timedelta
from typing import Any

import pytest

from linkerd.kube.objects import GRPCRoute, HTTPRoute, Key, TCPRoute, TLSRoute
from linkerd.policy.backends import Backend
from linkerd.policy.connection_routes import judge_tcp_route, judge_tls_route
from linkerd.policy.errors import PolicyError, UnsupportedError
from linkerd.policy.grpc_routes import judge_grpc_route
from linkerd.policy.hosts import ExactHost, HostSuffix
from linkerd.policy.http_routes import judge_http_route
from linkerd.policy.matches import GrpcMatch, HttpMatch, PathKind, PathMatch
from linkerd.policy.parents import Acceptance, Parent
from linkerd.policy.references import (
    GATEWAY_HTTP_ROUTE,
    GRPC_ROUTE,
    LINKERD_HTTP_ROUTE,
    SERVICE,
    TCP_ROUTE,
    TLS_ROUTE,
    GroupKind,
)
from linkerd.policy.retries import GrpcCondition, GrpcRetry, HttpRetry
from linkerd.policy.routes import (
    NO_SETTINGS,
    CallSettings,
    ConnectionRule,
    GrpcRule,
    HttpRoute,
    HttpRule,
    Route,
)
from linkerd.policy.timeouts import Timeouts
from tests.support.policy.decoded import decoded

EVERY_PATH = HttpMatch(path=PathMatch(PathKind.PREFIX, "/"))
GROUPS = pytest.mark.parametrize("kind", [LINKERD_HTTP_ROUTE, GATEWAY_HTTP_ROUTE])


def http(*rules: dict[str, Any], kind: GroupKind = LINKERD_HTTP_ROUTE) -> HttpRoute:
    return judge_http_route(decoded(HTTPRoute, {"rules": list(rules)}), kind)


def annotated(annotations: dict[str, str], rule: dict[str, Any] | None = None) -> HttpRoute:
    route = decoded(HTTPRoute, {"rules": [rule or {}]}, annotations=annotations)
    return judge_http_route(route, LINKERD_HTTP_ROUTE)


@GROUPS
def test_a_whole_http_route(kind: GroupKind) -> None:
    parent = {"group": "core", "kind": "Service", "name": "svc", "port": 80}
    route = decoded(
        HTTPRoute,
        {
            "parentRefs": [parent],
            "hostnames": ["*.fruit.test", "pear.test"],
            "rules": [
                {
                    "matches": [{"method": "GET"}, {}],
                    "backendRefs": [{"name": "b", "port": 1, "weight": 3}],
                    "timeouts": {"request": "1h30m", "backendRequest": "1s"},
                },
                {},
            ],
        },
        created="2026-01-31T00:00:00Z",
        status={
            "parents": [
                {
                    "parentRef": parent,
                    "controllerName": "linkerd.io/policy-controller",
                    "conditions": [{"type": "Accepted", "status": "True"}],
                }
            ]
        },
    )
    taken = Parent(SERVICE, "orchard", "svc", port=80)
    assert judge_http_route(route, kind) == Route(
        kind=kind,
        key=Key("orchard", "pear"),
        created="2026-01-31T00:00:00Z",
        parents=(taken,),
        acceptances=(Acceptance(taken, "linkerd.io/policy-controller"),),
        pending=False,
        hosts=(HostSuffix(("test", "fruit")), ExactHost("pear.test")),
        rules=(
            HttpRule(
                matches=(HttpMatch(method="GET"), HttpMatch()),
                backends=(Backend(SERVICE, "orchard", "b", 1, weight=3),),
                request_timeout=timedelta(minutes=90),
            ),
            HttpRule(),
        ),
        calls=NO_SETTINGS,
    )


def test_o03_without_rules_there_is_the_one_of_the_schema() -> None:
    route = judge_http_route(decoded(HTTPRoute), LINKERD_HTTP_ROUTE)
    assert route.rules == (HttpRule(matches=(EVERY_PATH,)),)


@GROUPS
def test_o37_the_timeout_of_a_rule(kind: GroupKind) -> None:
    assert http({"timeouts": {"request": "2s"}}, kind=kind).rules[0].request_timeout == timedelta(
        seconds=2
    )


@GROUPS
def test_a_timeout_of_nothing_is_none(kind: GroupKind) -> None:
    assert http({"timeouts": {"request": "0s"}}, kind=kind).rules[0].request_timeout is None


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (LINKERD_HTTP_ROUTE, "1d"),
        (LINKERD_HTTP_ROUTE, "-1s"),
        (GATEWAY_HTTP_ROUTE, "1.5s"),
        (GATEWAY_HTTP_ROUTE, "0"),
    ],
)
@pytest.mark.parametrize("field", ["request", "backendRequest"])
def test_timeouts_that_are_none(kind: GroupKind, text: str, field: str) -> None:
    with pytest.raises(PolicyError) as raised:
        http({}, {"timeouts": {field: text}}, kind=kind)
    assert raised.value.field == f"spec.rules[1].timeouts.{field}"


def test_o38_annotations_stand_beside_the_timeout_of_a_rule() -> None:
    route = annotated({"timeout.linkerd.io/request": "7s"}, {"timeouts": {"request": "2s"}})
    assert route.calls == CallSettings(Timeouts(request=timedelta(seconds=7)))
    assert route.rules[0].request_timeout == timedelta(seconds=2)


def test_o31_retries_of_a_route() -> None:
    route = annotated({"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"})
    assert route.calls == CallSettings(retry=HttpRetry(((500, 599),), limit=3))


@pytest.mark.parametrize(
    "annotations", [{"retry.linkerd.io/http": "99"}, {"timeout.linkerd.io/idle": "1.5s"}]
)
def test_o32_bad_annotations_leave_the_rest_of_the_route(annotations: dict[str, str]) -> None:
    route = annotated(annotations)
    assert isinstance(route.calls, PolicyError)
    assert route.calls.field.startswith("metadata.annotations[")
    assert route.rules == (HttpRule(),)
    assert annotated(annotations) == route


def test_faults_name_their_place() -> None:
    bad = {"path": {"type": "Exact", "value": "x"}}
    with pytest.raises(PolicyError) as raised:
        http({}, {"matches": [{}, bad]})
    assert str(raised.value) == (
        "spec.rules[1].matches[1].path.value: must begin with \"/\", unlike 'x'"
    )


@GROUPS
@pytest.mark.parametrize("type_", ["URLRewrite", "RequestMirror", "ExtensionRef"])
def test_o30_a_filter_that_no_proxy_has(kind: GroupKind, type_: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        http({}, {"filters": [{"type": type_}]}, kind=kind)
    assert raised.value.field == "spec.rules[1].filters[0].type"


def test_faults_come_before_what_is_not_supported() -> None:
    unsupported, bad = {"filters": [{"type": "URLRewrite"}]}, {"matches": [{"method": "a b"}]}
    with pytest.raises(PolicyError, match="is no HTTP method"):
        http(unsupported, bad)


def test_a_bad_filter_of_a_backend_is_no_fault_of_the_route() -> None:
    backend = {"name": "b", "filters": [{"type": "URLRewrite"}]}
    assert http({"backendRefs": [backend]}).rules[0].backends[0].fault


def test_a_whole_grpc_route() -> None:
    spec = {
        "hostnames": ["pear.test"],
        "rules": [
            {
                "matches": [{"method": {"service": "s"}}],
                "backendRefs": [{"name": "b", "port": 1}],
            },
            {},
        ],
    }
    annotations = {"retry.linkerd.io/grpc": "internal", "retry.linkerd.io/http": "nonsense"}
    route = judge_grpc_route(decoded(GRPCRoute, spec, annotations=annotations))
    assert (route.kind, route.hosts) == (GRPC_ROUTE, (ExactHost("pear.test"),))
    assert route.rules == (
        GrpcRule((GrpcMatch("s"),), backends=(Backend(SERVICE, "orchard", "b", 1),)),
        GrpcRule(),
    )
    assert route.calls == CallSettings(retry=GrpcRetry((GrpcCondition.INTERNAL,)))


def test_a_grpc_route_is_not_redirected() -> None:
    spec = {"rules": [{"filters": [{"type": "RequestRedirect", "requestRedirect": {}}]}]}
    with pytest.raises(UnsupportedError):
        judge_grpc_route(decoded(GRPCRoute, spec))


def test_a_whole_tls_route() -> None:
    spec = {"hostnames": ["*.test"], "rules": [{"backendRefs": [{"name": "b", "port": 1}]}]}
    route = judge_tls_route(decoded(TLSRoute, spec))
    assert (route.kind, route.hosts) == (TLS_ROUTE, (HostSuffix(("test",)),))
    assert route.rules == (ConnectionRule((Backend(SERVICE, "orchard", "b", 1),)),)


def test_a_tls_route_without_hostnames_and_backends() -> None:
    route = judge_tls_route(decoded(TLSRoute, {"rules": [{}]}))
    assert (route.hosts, route.rules) == ((), (ConnectionRule(),))


def test_a_whole_tcp_route() -> None:
    route = judge_tcp_route(decoded(TCPRoute, {"rules": [{"backendRefs": [{"name": "b"}]}]}))
    assert route.kind == TCP_ROUTE
    assert route.rules == (ConnectionRule((Backend(SERVICE, "orchard", "b", None),)),)


@pytest.mark.parametrize("rules", [[], [{}, {}]])
def test_a24_connections_have_one_rule(rules: list[dict[str, Any]]) -> None:
    with pytest.raises(PolicyError, match=r"^spec\.rules: must have one rule"):
        judge_tcp_route(decoded(TCPRoute, {"rules": rules}))
    with pytest.raises(PolicyError, match=r"^spec\.rules: must have one rule"):
        judge_tls_route(decoded(TLSRoute, {"rules": rules}))


def test_o08_the_order_of_routes() -> None:
    def route(name: str, created: str, namespace: str = "a") -> HttpRoute:
        item = decoded(HTTPRoute, name=name, namespace=namespace, created=created)
        return judge_http_route(item, LINKERD_HTTP_ROUTE)

    ordered = [
        route("z", "2026-01-01T00:00:00Z"),
        route("a", "2026-01-02T00:00:00Z"),
        route("b", "2026-01-02T00:00:00Z"),
        route("b", "2026-01-02T00:00:00Z", "b"),
        route("a", ""),
    ]
    mixed = [ordered[at] for at in (3, 0, 4, 2, 1)]
    assert sorted(mixed, key=lambda each: each.order) == ordered
