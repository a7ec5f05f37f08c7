"""Endpoints that fail are left alone for a while."""

import pytest

from linkerd.mesh.labels import (
    ACCRUAL_JITTER_RATIO,
    ACCRUAL_MAX_FAILURES,
    ACCRUAL_MIN_PENALTY,
    FAILURE_ACCRUAL,
)
from tests.support.eventually import until
from tests.support.mesh.apps import Answer
from tests.support.mesh.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]

BREAKER = {
    FAILURE_ACCRUAL: "consecutive",
    ACCRUAL_MAX_FAILURES: "3",
    ACCRUAL_MIN_PENALTY: "1s",
    ACCRUAL_JITTER_RATIO: "0",
}


def test_e10_an_endpoint_that_fails_is_not_asked(scene: Scene) -> None:
    app = scene.app("web-1")
    app.answer = lambda _: Answer(500)
    service = scene.service("web-1", annotations=BREAKER)
    assert [scene.get(service).status for _ in range(3)] == [500] * 3
    app.answer = lambda _: Answer(200)
    # The breaker is open for a second, in which requests wait; then one that succeeds shuts it.
    assert scene.until_status(200, service).status == 200
    assert len(app.requests) == 4


def test_e10_while_it_fails_no_request_reaches_it(scene: Scene) -> None:
    app = scene.app("web-1")
    app.answer = lambda _: Answer(500)
    long = {**BREAKER, ACCRUAL_MIN_PENALTY: "30s"}
    service = scene.service("web-1", annotations=long)
    assert [scene.get(service).status for _ in range(3)] == [500] * 3
    assert [scene.get(service).status for _ in range(3)] == [504, 503, 503]
    assert len(app.requests) == 3


def test_others_take_over(scene: Scene) -> None:
    apps = scene.web("web-1", "web-2")
    apps["web-1"].answer = lambda _: Answer(500)
    service = scene.service("web-1", "web-2")
    until(lambda: {scene.get(service).status for _ in range(8)} == {200, 500}, "both")
    scene.annotate("services", service.name, {**BREAKER, ACCRUAL_MIN_PENALTY: "30s"})
    until(lambda: {scene.get(service).status for _ in range(8)} == {200}, "one alone")
