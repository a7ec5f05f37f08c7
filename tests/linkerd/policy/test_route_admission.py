"""Which routes may be stored."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from linkerd.kube.objects import GRPCRoute, HTTPRoute, TCPRoute, TLSRoute
from linkerd.policy.errors import PolicyError, UnsupportedError
from linkerd.policy.references import GATEWAY_HTTP_ROUTE, LINKERD_HTTP_ROUTE
from linkerd.policy.route_admission import (
    check_grpc_route,
    check_http_route,
    check_tcp_route,
    check_tls_route,
)
from tests.support.policy.decoded import decoded

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "a"}
SERVICE = {"group": "", "kind": "Service", "name": "a", "port": 80}
SERVER = {"group": "policy.linkerd.io", "kind": "Server", "name": "a"}
EGRESS = {"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "a"}

Spec = Mapping[str, Any]
Check = Callable[..., None]


def linkerd(spec: Spec, **more: Any) -> None:
    check_http_route(decoded(HTTPRoute, spec, **more), LINKERD_HTTP_ROUTE)


def gateway(spec: Spec, **more: Any) -> None:
    check_http_route(decoded(HTTPRoute, spec, **more), GATEWAY_HTTP_ROUTE)


def grpc(spec: Spec, **more: Any) -> None:
    check_grpc_route(decoded(GRPCRoute, spec, **more))


def tls(spec: Spec, **more: Any) -> None:
    check_tls_route(decoded(TLSRoute, spec, **more))


def tcp(spec: Spec, **more: Any) -> None:
    check_tcp_route(decoded(TCPRoute, spec, **more))


ALL = (linkerd, gateway, grpc, tls, tcp)
HTTP = (linkerd, gateway)
OF_THE_GATEWAY_API = (gateway, grpc, tls, tcp)


def refused(check: Check, spec: Spec, field: str, **more: Any) -> None:
    with pytest.raises(PolicyError) as raised:
        check(spec, **more)
    assert not isinstance(raised.value, UnsupportedError)
    assert raised.value.field == field


def attached(parent: Spec, *rules: Spec) -> Spec:
    return {"parentRefs": [parent], "rules": list(rules or ({},))}


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize("parent", [SERVICE, SERVER, GATEWAY, {**EGRESS, "port": 443}])
def test_good_routes(check: Check, parent: Spec) -> None:
    check(attached(parent))


@pytest.mark.parametrize("check", HTTP)
@pytest.mark.parametrize("parent", [SERVICE, SERVER])
def test_a19_paths_without_a_slash(check: Check, parent: Spec) -> None:
    match = {"path": {"type": "Exact", "value": "foo"}}
    refused(check, attached(parent, {"matches": [match]}), "spec.rules[0].matches[0].path.value")
    path = {"type": "ReplaceFullPath", "replaceFullPath": "foo"}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"path": path}}
    place = "spec.rules[0].filters[0].requestRedirect.path.replaceFullPath"
    refused(check, attached(parent, {"filters": [redirect]}), place)


@pytest.mark.parametrize(
    ("request_", "backend_request"), [("1s", "2s"), ("0s", "1ms"), ("1m", "1m1ms")]
)
def test_a20_a_try_that_outlasts_its_request(request_: str, backend_request: str) -> None:
    timeouts = {"request": request_, "backendRequest": backend_request}
    spec = attached(SERVICE, {}, {"timeouts": timeouts})
    refused(linkerd, spec, "spec.rules[1].timeouts.backendRequest")


@pytest.mark.parametrize("timeouts", [{"request": "2s", "backendRequest": "2s"}, {"request": "0"}])
def test_a20_timeouts_that_are_right(timeouts: Spec) -> None:
    linkerd(attached(SERVICE, {"timeouts": timeouts}))


@pytest.mark.parametrize("timeouts", [{"request": "-1s"}, {"backendRequest": "-1s"}])
def test_a20_negative_timeouts(timeouts: Spec) -> None:
    (field,) = timeouts
    spec = attached(SERVICE, {"timeouts": timeouts})
    refused(linkerd, spec, f"spec.rules[0].timeouts.{field}")


@pytest.mark.parametrize("check", [gateway, grpc])
def test_a21_what_others_may_do_is_told_from_faults(check: Check) -> None:
    spec = attached(SERVICE, {"filters": [{"type": "RequestMirror"}]})
    with pytest.raises(UnsupportedError):
        check(spec)
    backend = {"name": "b"}
    worse = attached(SERVICE, {"filters": [{"type": "RequestMirror"}], "backendRefs": [backend]})
    refused(check, worse, "spec.rules[0].backendRefs[0].port")


@pytest.mark.parametrize(
    ("check", "name", "text"),
    [
        (linkerd, "retry.linkerd.io/http", "6xx"),
        (gateway, "retry.linkerd.io/http", "6xx"),
        (grpc, "retry.linkerd.io/grpc", "unheard-of"),
        (gateway, "timeout.linkerd.io/idle", "1.5s"),
        (grpc, "retry.linkerd.io/limit", "-1"),
    ],
)
def test_a22_annotations_are_for_clients(check: Check, name: str, text: str) -> None:
    bad = {name: text}
    for parent in (SERVICE, {**EGRESS, "port": 443}):
        refused(check, attached(parent), f"metadata.annotations[{name}]", annotations=bad)
    check(attached(GATEWAY), annotations=bad)
    check(attached(SERVER), annotations=bad)


@pytest.mark.parametrize("check", HTTP)
def test_a22_annotations_of_another_protocol_are_not_read(check: Check) -> None:
    check(attached(SERVICE), annotations={"retry.linkerd.io/grpc": "unheard-of"})


@pytest.mark.parametrize("check", [gateway, grpc])
@pytest.mark.parametrize("port", [{}, {"port": 0}])
def test_a23_a_service_has_a_port(check: Check, port: Spec) -> None:
    spec = attached(SERVICE, {"backendRefs": [{"name": "b", "port": 1}, {"name": "c", **port}]})
    refused(check, spec, "spec.rules[0].backendRefs[1].port")


@pytest.mark.parametrize("check", [gateway, grpc])
def test_a23_another_kind_need_not_have_one(check: Check) -> None:
    backend = {"group": "policy.linkerd.io", "kind": "EgressNetwork", "name": "b"}
    check(attached(SERVICE, {"backendRefs": [backend]}))


def test_a23_backends_of_linkerds_own_routes_are_not_looked_at() -> None:
    linkerd(attached(SERVICE, {"backendRefs": [{"name": "b", "filters": [{"type": "Other"}]}]}))


@pytest.mark.parametrize("check", [tls, tcp])
def test_a24_two_rules(check: Check) -> None:
    refused(check, attached(SERVICE, {}, {}), "spec.rules")


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize("port", [{}, {"port": 0}])
def test_a25_an_egress_network_without_a_port(check: Check, port: Spec) -> None:
    spec = {"parentRefs": [SERVICE, {**EGRESS, **port}], "rules": [{}]}
    refused(check, spec, "spec.parentRefs[1].port")


def test_a26_a_regular_expression_for_a_method() -> None:
    match = {"method": {"type": "RegularExpression", "service": "a.*"}}
    spec = attached(SERVICE, {"matches": [match]})
    refused(grpc, spec, "spec.rules[0].matches[0].method.type")


BAD_RULES: Mapping[Check, Spec] = {
    gateway: attached(GATEWAY, {"matches": [{"path": {"value": "foo"}}]}),
    grpc: attached(GATEWAY, {"matches": [{"method": {"type": "RegularExpression"}}]}),
    tls: attached(GATEWAY, {}, {}),
    tcp: attached(GATEWAY, {}, {}),
}


@pytest.mark.parametrize("check", OF_THE_GATEWAY_API)
def test_routes_of_others_are_not_looked_at(check: Check) -> None:
    check(BAD_RULES[check])
    with pytest.raises(PolicyError):
        check({**BAD_RULES[check], "parentRefs": [GATEWAY, SERVER]})
