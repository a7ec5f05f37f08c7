"""Audit: all are let in, and those are counted whom `deny` would have kept out."""

import pytest

from linkerd.mesh.labels import DEFAULT_INBOUND_POLICY
from tests.support.eventually import until
from tests.support.mesh.scene import Scene, server_ref

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]


def audited(scene: Scene, server: str) -> float:
    return scene.world["web-1"].proxy.metric(
        "inbound_http_authz_allow_total",
        target_port=str(scene.port),
        srv_name=server,
        authz_name="audit",
    )


def test_e07_a_server_that_audits(scene: Scene) -> None:
    scene.app("web-1")
    server, target = scene.server(), scene.world["web-1"].at(scene.port)
    scene.until_status(403, target, by="plain")
    ref = {"kind": "ServiceAccount", "name": "client"}
    scene.authorize("one", server_ref(server), ref)
    scene.until_status(200, target)
    scene.change("servers", server, {"accessPolicy": "audit"})
    scene.until_status(200, target, by="plain")
    assert audited(scene, server) == 1
    before = audited(scene, server)
    assert scene.get(target).status == 200  # it is authorized
    assert audited(scene, server) == before


def test_e07_a_pod_that_audits(scene: Scene) -> None:
    scene.app("web-1")
    target = scene.world["web-1"].at(scene.port)
    scene.annotate("pods", "web-1", {DEFAULT_INBOUND_POLICY: "audit"})

    def seen() -> bool:
        assert scene.get(target, by="plain").status == 200
        return audited(scene, "audit") > 0

    until(seen, "a request that is counted")
