"""Rate limits of a Server."""

from collections import Counter
from typing import Any

import pytest

from tests.support.eventually import until
from tests.support.mesh.scene import Scene, server_ref

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]


def limited(scene: Scene, **spec: Any) -> None:
    """A Server that lets everybody in, but not too often."""
    server = scene.server(accessPolicy="all-unauthenticated")
    scene.create(
        "httplocalratelimitpolicies", scene.name, {"targetRef": server_ref(server), **spec}
    )


def statuses(scene: Scene, count: int, by: str = "client") -> Counter[int]:
    target = scene.world["web-1"].at(scene.port)
    return Counter(scene.get(target, by=by).status for _ in range(count))


def test_e08_a_total(scene: Scene) -> None:
    scene.app("web-1")
    limited(scene, total={"requestsPerSecond": 5})
    until(lambda: statuses(scene, 20)[429], "the limit")
    told = scene.world["web-1"].proxy.metric(
        "inbound_http_local_ratelimit_total",
        target_port=str(scene.port),
        ratelimit_name=scene.name,
        ratelimit_scope="total",
    )
    assert told > 0
    scene.change("httplocalratelimitpolicies", scene.name, {"total": {"requestsPerSecond": 10000}})
    until(lambda: statuses(scene, 20)[200] == 20, "a higher limit")


def test_e08_a_limit_for_each_client_and_one_for_one(scene: Scene) -> None:
    scene.app("web-1")
    account = {"kind": "ServiceAccount", "name": "other", "namespace": scene.namespace}
    override = {"requestsPerSecond": 10000, "clientRefs": [account]}
    limited(scene, identity={"requestsPerSecond": 2}, overrides=[override])
    until(lambda: statuses(scene, 10)[429], "the limit")
    assert statuses(scene, 20, by="other") == {200: 20}
    assert statuses(scene, 10)[429] > 0


def test_e08_the_share_that_is_refused(scene: Scene) -> None:
    """Twice as many as allowed come at a steady pace: half of them are refused."""
    scene.app("web-1")
    limited(scene, total={"requestsPerSecond": 20})
    until(lambda: statuses(scene, 40)[429], "the limit")
    found = scene.paced(scene.world["web-1"].at(scene.port), count=80, per_second=40)
    assert 0.3 < found[429] / 80 < 0.65
