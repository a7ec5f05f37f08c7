"""Routes to services: splits, matches, filters, retries and timeouts, each changed while the proxy
runs."""

from typing import Any, Final

import grpc
import pytest

from linkerd.mesh.labels import (
    RETRY_GRPC,
    RETRY_HTTP,
    RETRY_LIMIT,
    TIMEOUT_REQUEST,
    TIMEOUT_RESPONSE,
)
from tests.support.eventually import until
from tests.support.mesh.apps import Answer, GrpcApp, HttpApp
from tests.support.mesh.calls import grpc_channel, rpc
from tests.support.mesh.scene import Scene, route_to
from tests.support.mesh.world import Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]

KINDS: Final = ["httproutes", "gatewayhttproutes"]


def backend(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 8080, **more}


def split(scene: Scene, service: Service, count: int = 200) -> float:
    """The share of requests that web-2 answers."""
    return sum(scene.get(service).text == "web-2" for _ in range(count)) / count


def every(app: HttpApp, number: int, status: int = 503) -> None:
    """Has an application fail but for every so manyeth request."""
    app.answer = lambda _: Answer(status if len(app.requests) % number else 200)


@pytest.fixture
def two(scene: Scene) -> tuple[Service, Service]:
    """Services of web-1 and of web-2."""
    scene.web("web-1", "web-2")
    return scene.service("web-1"), scene.service("web-2", name=f"{scene.name}-new")


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_by_weight(scene: Scene, kind: str, two: tuple[Service, Service]) -> None:
    old, new = two
    rule = {"backendRefs": [backend(old.name, weight=1), backend(new.name, weight=3)]}
    scene.create(kind, "split", route_to(old.name, rule))
    until(lambda: scene.get(old).text == "web-2", "the split")
    assert 0.6 < split(scene, old) < 0.9
    rule = {"backendRefs": [backend(old.name, weight=0), backend(new.name, weight=1)]}
    scene.change(kind, "split", {"rules": [rule]})
    until(lambda: split(scene, old, 20) == 1, "all go to one")
    scene.delete(kind, "split")
    until(lambda: split(scene, old, 20) == 0, "none does")


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_chooses(scene: Scene, kind: str, two: tuple[Service, Service]) -> None:
    old, new = two
    header = {"name": "x-canary", "value": "yes"}
    chosen = {"matches": [{"headers": [header]}], "backendRefs": [backend(new.name)]}
    scene.create(kind, "canary", route_to(old.name, chosen, {"backendRefs": [backend(old.name)]}))
    wanted = {"X-Canary": "yes"}
    until(lambda: scene.get(old, headers=wanted).text == "web-2", "the route")
    assert scene.get(old, headers={"X-Canary": "no"}).text == "web-1"
    assert scene.get(old).text == "web-1"
    served = scene.world["client"].proxy.metric(
        "outbound_http_route_request_statuses_total",
        parent_name=old.name,
        route_name="canary",
        http_status="200",
    )
    assert served >= 3


def test_e09_paths_choose_and_a_backend_is_missing(scene: Scene) -> None:
    app = scene.app("web-1")
    app.answer = lambda _: Answer(204)
    service = scene.service("web-1")

    def rule(path: str, name: str) -> dict[str, Any]:
        match = {"path": {"type": "PathPrefix", "value": path}}
        return {"matches": [match], "backendRefs": [backend(name)]}

    rules = rule("/good", service.name), rule("/bad", f"{scene.name}-later")
    scene.create("httproutes", "paths", route_to(service.name, *rules))
    scene.until_status(404, service, "/else")
    assert scene.get(service, "/good").status == 204
    assert scene.get(service, "/bad").status == 500
    scene.service("web-1", name=f"{scene.name}-later")
    scene.until_status(204, service, "/bad")


def test_filters_change_requests_and_answers(scene: Scene) -> None:
    app = scene.app("web-1")
    service = scene.service("web-1")
    change = {"set": [{"name": "x-told", "value": "set"}], "remove": ["x-secret"]}
    move = {"hostname": "example.org", "statusCode": 301}
    rules: list[dict[str, Any]] = [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/moved"}}],
            "filters": [{"type": "RequestRedirect", "requestRedirect": move}],
        },
        {
            "filters": [
                {"type": "RequestHeaderModifier", "requestHeaderModifier": change},
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": change},
            ],
            "backendRefs": [backend(service.name)],
        },
    ]
    scene.create("gatewayhttproutes", "filters", route_to(service.name, *rules))
    moved = scene.until_status(301, service, "/moved/a")
    assert moved.headers["location"].startswith("http://example.org")
    answer = scene.get(service, headers={"X-Secret": "1", "X-Told": "other"})
    assert answer.headers["x-told"] == "set"
    request = app.requests[-1]
    assert request.headers["x-told"] == "set"
    assert "x-secret" not in request.headers


def test_retries_by_annotation(scene: Scene) -> None:
    app = scene.app("web-1")
    every(app, 3)
    service = scene.service("web-1")
    assert {scene.get(service).status for _ in range(3)} == {200, 503}
    scene.annotate("services", service.name, {RETRY_HTTP: "5xx", RETRY_LIMIT: "2"})
    until(lambda: [scene.get(service).status for _ in range(5)] == [200] * 5, "retries")
    proxy, retries = scene.world["client"].proxy, "outbound_http_route_retry_requests_total"
    before = len(app.requests), proxy.metric(retries, parent_name=service.name)
    assert [scene.get(service).status for _ in range(3)] == [200] * 3
    assert len(app.requests) - before[0] == 9
    assert proxy.metric(retries, parent_name=service.name) - before[1] == 6
    scene.annotate("services", service.name, {RETRY_HTTP: "500", RETRY_LIMIT: "2"})
    scene.until_status(503, service)


def test_a_timeout_by_annotation(scene: Scene) -> None:
    app = scene.app("web-1")
    app.answer = lambda _: Answer(delay=0.3)
    service = scene.service("web-1")
    assert scene.get(service).status == 200
    scene.annotate("services", service.name, {TIMEOUT_REQUEST: "50ms"})
    scene.until_status(504, service)
    scene.annotate("services", service.name, {TIMEOUT_REQUEST: None, TIMEOUT_RESPONSE: "60ms"})
    error = scene.until_status(504, service).headers["l5d-proxy-error"]
    assert "timed out waiting for response headers" in error
    scene.annotate("services", service.name, {TIMEOUT_RESPONSE: None})
    scene.until_status(200, service)


def test_annotations_of_a_route_and_of_its_rules(scene: Scene) -> None:
    app = scene.app("web-1")
    service = scene.service("web-1", annotations={TIMEOUT_REQUEST: "5s"})
    app.answer = lambda _: Answer(delay=0.3)
    own = {TIMEOUT_REQUEST: "50ms"}
    scene.create("httproutes", "strict", route_to(service.name, {}), annotations=own)
    scene.until_status(504, service)
    scene.annotate("httproutes", "strict", {TIMEOUT_REQUEST: None})
    scene.until_status(200, service)
    scene.change("httproutes", "strict", {"rules": [{"timeouts": {"request": "50ms"}}]})
    scene.until_status(504, service)


def test_grpc_methods_choose_and_are_retried(scene: Scene) -> None:
    hosts = scene.world
    old_app = GrpcApp(hosts["web-1"].host, scene.port, "old")
    new_app = GrpcApp(hosts["web-2"].host, scene.port, "new")
    old = scene.service("web-1")
    new = scene.service("web-2", name=f"{scene.name}-new")
    method = {"service": "shop.Ledger", "method": "Put"}
    rules = (
        {"matches": [{"method": method}], "backendRefs": [backend(new.name)]},
        {"backendRefs": [backend(old.name)]},
    )
    retries = {RETRY_GRPC: "unavailable", RETRY_LIMIT: "2"}
    scene.create("grpcroutes", "methods", route_to(old.name, *rules), annotations=retries)
    with grpc_channel(hosts.background, scene.client, old) as channel:
        until(lambda: rpc(channel, "Put") == b"new", "the route")
        assert rpc(channel) == b"old"

        def every_third(_: str) -> bytes | grpc.StatusCode:
            return b"old" if len(old_app.calls) % 3 == 0 else grpc.StatusCode.UNAVAILABLE

        old_app.calls.clear()
        old_app.answer = every_third
        assert [rpc(channel) for _ in range(3)] == [b"old"] * 3
        scene.annotate("grpcroutes", "methods", {RETRY_GRPC: "internal"})
        until(lambda: rpc(channel) is grpc.StatusCode.UNAVAILABLE, "no retries")
    old_app.stop()
    new_app.stop()


def test_a_route_of_the_client_itself(scene: Scene) -> None:
    """A route in the namespace of who calls is for callers from there alone."""
    scene.web("web-1", "web-2")
    with scene.elsewhere() as there:
        service = there.service("web-1")
        rule = {"backendRefs": [backend(f"{scene.name}-new", namespace=scene.namespace)]}
        scene.service("web-2", name=f"{scene.name}-new")
        assert scene.get(service).text == "web-1"
        parent = {"namespace": there.namespace}
        scene.create("httproutes", "consumer", route_to(service.name, rule, **parent))
        until(lambda: scene.get(service).text == "web-2", "the route")
