"""ServiceProfiles: timeouts, retries, and metrics of routes."""

from typing import Any

import pytest

from tests.support.eventually import until
from tests.support.mesh.apps import Answer, Request
from tests.support.mesh.calls import Target
from tests.support.mesh.scene import Scene
from tests.support.mesh.world import Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]


def profile(scene: Scene, service: Service, *routes: dict[str, Any], **spec: Any) -> str:
    """A ServiceProfile of a service that nobody has called yet, once proxies are told of it: when
    they first meet a service, and then for as long as they use it, they settle whether profile or
    policy routes their requests. Its name."""
    name = f"{service.name}.{scene.namespace}.svc.cluster.local"
    scene.create("serviceprofiles", name, {"routes": list(routes), **spec})

    def told() -> bool:
        found = scene.world.profile(service.ip, service.port)
        return bool(found.routes or found.dst_overrides)

    until(told, f"the profile of {name}")
    return name


def route(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "condition": {"method": "GET", "pathRegex": path}, **more}


def counted(scene: Scene, target: Target, name: str, metric: str = "route_response_total") -> float:
    proxy = scene.world["client"].proxy
    return proxy.metric(metric, direction="outbound", dst=target.authority, rt_route=name)


def test_metrics_are_told_by_route(scene: Scene) -> None:
    scene.app("web-1")
    service = scene.service("web-1")
    profile(scene, service, route("list", "/books"), route("one", "/books/[^/]+"))

    def seen() -> bool:
        scene.get(service, "/books")
        return counted(scene, service, "list") > 0

    until(seen, "the route's metrics")
    before = counted(scene, service, "list")
    for _ in range(3):
        scene.get(service, "/books/7")
    scene.get(service, "/else")
    assert counted(scene, service, "one") == 3
    assert counted(scene, service, "list") == before


def test_a_timeout_comes_and_changes(scene: Scene) -> None:
    app = scene.app("web-1")
    app.answer = lambda request: Answer(delay=0.3 if request.path == "/slow" else 0)
    service = scene.service("web-1")
    slow = route("slow", "/slow", timeout="50ms")
    name = profile(scene, service, slow)
    scene.until_status(504, service, "/slow")
    assert scene.get(service, "/fast").status == 200
    scene.change("serviceprofiles", name, {"routes": [{**slow, "timeout": "5s"}]})
    scene.until_status(200, service, "/slow")


def test_retries_of_a_route_alone(scene: Scene) -> None:
    app = scene.app("web-1")
    service = scene.service("web-1")
    budget = {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"}
    routes = route("again", "/again", isRetryable=True), route("once", "/once")
    profile(scene, service, *routes, retryBudget=budget)

    def every_second(request: Request) -> Answer:
        return Answer(500 if app.paths().count(request.path) % 2 else 200)

    app.answer = every_second

    def seen() -> bool:
        scene.get(service, "/once")
        return counted(scene, service, "once") > 0

    until(seen, "the profile")
    before = app.paths().count("/again")
    assert [scene.get(service, "/again").status for _ in range(3)] == [200] * 3
    assert app.paths().count("/again") - before == 6
    assert {scene.get(service, "/once").status for _ in range(2)} == {200, 500}
    assert counted(scene, service, "again") == 3
    assert counted(scene, service, "again", "route_actual_response_total") == 6


def test_what_counts_as_failure(scene: Scene) -> None:
    app = scene.app("web-1")
    app.answer = lambda _: Answer(404)
    service = scene.service("web-1")
    failure = {"condition": {"status": {"min": 404, "max": 404}}, "isFailure": True}
    profile(scene, service, route("strict", "/", responseClasses=[failure]))

    def failures() -> float:
        scene.get(service)
        return scene.world["client"].proxy.metric(
            "route_response_total",
            dst=service.authority,
            rt_route="strict",
            classification="failure",
            status_code="404",
        )

    until(failures, "a failure")


def test_a_split_over_services(scene: Scene) -> None:
    scene.web("web-1", "web-2")
    service = scene.service("web-1")
    scene.service("web-2", name=f"{scene.name}-new")
    authority = f"{scene.name}-new.{scene.namespace}.svc.cluster.local:8080"
    profile(scene, service, dstOverrides=[{"authority": authority, "weight": 1}])
    until(lambda: scene.get(service).text == "web-2", "the other service")
