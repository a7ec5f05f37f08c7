"""What a port allows that no Server selects."""

from typing import Final

import pytest

from linkerd.mesh.labels import DEFAULT_INBOUND_POLICY, REQUIRE_IDENTITY_PORTS
from linkerd.policy.default_policies import DefaultPolicy
from tests.support.eventually import until
from tests.support.mesh.calls import http1
from tests.support.mesh.scene import Scene
from tests.support.mesh.world import Address

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]

# Statuses for a client of the mesh, one outside of it, and one outside of the cluster.
EXPECTED: Final = {
    DefaultPolicy.ALL_UNAUTHENTICATED: (200, 200, 200),
    DefaultPolicy.ALL_AUTHENTICATED: (200, 403, 403),
    DefaultPolicy.CLUSTER_UNAUTHENTICATED: (200, 200, 403),
    DefaultPolicy.CLUSTER_AUTHENTICATED: (200, 403, 403),
    DefaultPolicy.DENY: (403, 403, 403),
    DefaultPolicy.AUDIT: (200, 200, 200),
}


def statuses(scene: Scene) -> tuple[int, ...]:
    world = scene.world
    target = world["web-1"].at(scene.port)
    hosts = world["client"].host, world["plain"].host, world.outside
    return tuple(http1(host, target).status for host in hosts)


def await_statuses(scene: Scene, wanted: tuple[int, ...]) -> None:
    until(lambda: statuses(scene) == wanted, f"statuses {wanted}")


def authorized(scene: Scene, policy: str) -> float:
    """How many requests the proxy let in by a policy."""
    return scene.world["web-1"].proxy.metric(
        "inbound_http_authz_allow_total",
        target_port=str(scene.port),
        srv_kind="default",
        srv_name=policy,
        authz_name=policy,
    )


@pytest.mark.parametrize("policy", list(DefaultPolicy))
def test_a_default_policy(scene: Scene, policy: DefaultPolicy) -> None:
    scene.app("web-1")
    # From the opposite, so that the change is what is seen.
    opposite = DefaultPolicy.DENY if policy is not DefaultPolicy.DENY else DefaultPolicy.AUDIT
    for each in (opposite, policy):
        scene.annotate("pods", "web-1", {DEFAULT_INBOUND_POLICY: each})
        await_statuses(scene, EXPECTED[each])
    if policy is not DefaultPolicy.DENY:
        assert authorized(scene, policy) > 0


def test_some_ports_need_an_identity(scene: Scene) -> None:
    scene.app("web-1")
    assert statuses(scene) == (200, 200, 200)
    scene.annotate("pods", "web-1", {REQUIRE_IDENTITY_PORTS: str(scene.port)})
    await_statuses(scene, (200, 403, 403))


def test_a_policy_for_connections(scene: Scene) -> None:
    """TCP that is not HTTP is let in, or closed, as a whole."""
    world = scene.world
    target = Address(world["web-1"].host.ip, scene.port)
    scene.tcp("web-1")
    assert scene.echoes(target, by="plain")
    scene.annotate("pods", "web-1", {DEFAULT_INBOUND_POLICY: "all-authenticated"})
    until(lambda: not scene.echoes(target, by="plain"), "the end of strangers")
    assert scene.echoes(target, by="client")


def test_the_default_of_a_pod_is_that_of_the_mesh(scene: Scene) -> None:
    scene.app("web-1")
    scene.annotate("pods", "web-1", {DEFAULT_INBOUND_POLICY: "deny"})
    await_statuses(scene, (403, 403, 403))
    scene.annotate("pods", "web-1", {DEFAULT_INBOUND_POLICY: None})
    await_statuses(scene, (200, 200, 200))
