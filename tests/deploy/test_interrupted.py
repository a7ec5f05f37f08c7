"""`linkerd run` goes on where it was interrupted, wherever that was."""

import pytest

from linkerd.delivery import install as installing
from linkerd.delivery.install import DOMAIN, Images, install
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import SilentProgress
from linkerd.testing.dying import DyingKubectl, Killed
from linkerd.trust.objects import ANCHORS, ISSUER

pytestmark = pytest.mark.integration

IMAGES = Images("registry.example/linkerd-py:1", None, on_node=False)


def test_every_step_can_be_the_last(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before its first call of kubectl, then before its second, until one comes through.
    That takes a while: each goes on from what all before it have left."""
    monkeypatch.setattr(installing, "wait_ready", lambda *_, **__: None)  # there is no node
    kubectl = Kubectl(cluster.kubeconfig)
    namespace = f"--namespace={DOMAIN.controller_namespace}"
    for kind, name in (("secret", ISSUER), ("configmap", ANCHORS)):
        kubectl("delete", kind, name, namespace, "--ignore-not-found")

    def run(kubectl: Kubectl) -> tuple[str, ...]:
        return install(ROOT, kubectl, IMAGES, SilentProgress(), demo=False).changed

    deaths = 0
    while True:
        try:
            run(DyingKubectl(cluster.kubeconfig, deaths))
        except Killed:
            deaths += 1
        else:
            break
    assert deaths >= 7
    assert run(kubectl) == ()
