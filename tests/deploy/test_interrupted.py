"""`linkerd run` goes on where it was interrupted, wherever that was, and from what was before."""

import pytest

from linkerd.delivery import install as installing
from linkerd.delivery.errors import KubectlError
from linkerd.delivery.install import DOMAIN, Images, install
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.manifests import render
from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import SilentProgress
from linkerd.trust.objects import ANCHORS, ISSUER
from tests.support.dying import DyingKubectl, Killed
from tests.support.webhooks.called import NAMES, configuration, manifests

pytestmark = pytest.mark.integration

IMAGES = Images("registry.example/linkerd-py:1", None, on_node=False)
NAMESPACE = f"--namespace={DOMAIN.controller_namespace}"


@pytest.fixture
def there(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    """A cluster without a node, where nothing rolls out, and without certificates yet."""
    monkeypatch.setattr(installing, "wait_ready", lambda *_, **__: None)
    kubectl = Kubectl(cluster.kubeconfig)
    for kind, name in (("secret", ISSUER), ("configmap", ANCHORS)):
        kubectl("delete", kind, name, NAMESPACE, "--ignore-not-found")
    return kubectl


def run(kubectl: Kubectl) -> tuple[str, ...]:
    return install(ROOT, kubectl, IMAGES, SilentProgress(), demo=False).changed


def test_every_step_can_be_the_last(cluster: LocalCluster, there: Kubectl) -> None:
    """Killed before its first call of kubectl, then before its second, until one comes through.
    That takes a while: each goes on from what all before it have left."""
    deaths = 0
    while True:
        try:
            run(DyingKubectl(cluster.kubeconfig, deaths))
        except Killed:
            deaths += 1
        else:
            break
    assert deaths >= 7
    assert run(there) == ()


def test_what_the_api_server_calls_has_certificates(
    there: Kubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manifests with a webhook, which no service of ours has yet."""
    namespace = DOMAIN.controller_namespace
    webhook = manifests(configuration(NAMES[0], namespace, "paint"))
    monkeypatch.setattr(
        installing, "render", lambda kubectl, tree: f"{render(kubectl, tree)}\n---\n{webhook}"
    )
    try:
        assert "secret/paint-k8s-tls" in run(there)
        found = there.find(NAMES[0], namespace, namespace) or {}
        assert found["webhooks"][0]["clientConfig"]["caBundle"]
    finally:
        there("delete", NAMES[0], namespace)
        there("delete", "secret", "paint-k8s-tls", NAMESPACE)


def test_what_earlier_versions_allowed_is_taken_away(there: Kubectl) -> None:
    """To read the issuer's Secret, which an apply of today's manifests leaves as it is."""
    run(there)
    role, account = "remote-discovery", f"{DOMAIN.controller_namespace}:linkerd-destination"
    there("create", "role", role, "--verb=get,list,watch", "--resource=secrets", NAMESPACE)
    binding, subject = f"linkerd-destination-{role}", f"--serviceaccount={account}"
    there("create", "rolebinding", binding, f"--role={role}", subject, NAMESPACE)
    question = ("get", "secret", ISSUER, NAMESPACE, f"--as=system:serviceaccount:{account}")
    there(*question)

    assert len(run(there)) == 2
    with pytest.raises(KubectlError, match="Forbidden"):
        there(*question)
