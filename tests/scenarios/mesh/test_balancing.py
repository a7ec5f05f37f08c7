"""Requests go to the endpoints that there are, as these come and go."""

import pytest

from tests.support.eventually import until
from tests.support.mesh.calls import Target
from tests.support.mesh.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]


def answers(scene: Scene, service: Target, count: int = 12) -> set[str]:
    """Who answers."""
    return {scene.get(service).text for _ in range(count)}


def test_requests_follow_endpoints_that_come_and_go(scene: Scene) -> None:
    scene.web("web-1", "web-2", "web-3")
    service = scene.service("web-1", "web-2")
    until(lambda: answers(scene, service) == {"web-1", "web-2"}, "both answer")
    scene.endpoints(service.name, "web-1", "web-2", "web-3")
    until(lambda: answers(scene, service) == {"web-1", "web-2", "web-3"}, "all answer")
    scene.endpoints(service.name, "web-3")
    until(lambda: answers(scene, service) == {"web-3"}, "one answers")
    scene.endpoints(service.name, "web-2")
    until(lambda: answers(scene, service) == {"web-2"}, "another answers")


def test_without_endpoints_requests_fail_until_one_comes(scene: Scene) -> None:
    scene.web("web-1")
    service = scene.service()
    assert scene.get(service).status == 504  # none became ready in time
    assert scene.get(service).status == 503  # at once
    scene.endpoints(service.name, "web-1")
    assert scene.until_status(200, service).text == "web-1"


def test_an_endpoint_outside_the_mesh_is_called_in_plain_text(scene: Scene) -> None:
    app = scene.app("plain")
    service = scene.service("plain")
    assert scene.get(service).text == "plain"
    assert "l5d-client-id" not in app.requests[0].headers
    told = scene.world["client"].proxy.series("request_total", authority=service.authority)
    assert [labels["no_tls_reason"] for labels, _ in told] == ["not_provided_by_service_discovery"]


def test_an_application_that_is_down_is_a_bad_gateway(scene: Scene) -> None:
    app = scene.app("web-1")
    service = scene.service("web-1")
    assert scene.get(service).status == 200
    app.stop()
    scene.until_status(502, service)


def test_metrics_name_the_endpoints(scene: Scene) -> None:
    scene.web("web-1")
    service = scene.service("web-1")
    scene.get(service)
    ((labels, count),) = scene.world["client"].proxy.series(
        "response_total", authority=service.authority
    )
    assert count == 1
    told = {
        "dst_namespace": scene.namespace,
        "dst_service": service.name,
        "dst_pod": "web-1",
        "dst_serviceaccount": "web",
        "dst_control_plane_ns": scene.namespace,
        "classification": "success",
        "status_code": "200",
    }
    assert told.items() <= labels.items()
