"""An API server of these tests alone, which knows every kind of the mesh and of the Gateway API."""

from collections.abc import Iterator

import pytest

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from tests.support.admission.cases import NAMESPACE

_DEFINITIONS = ("deploy/base/crds", "deploy/components/gateway-api")


@pytest.fixture(scope="package")
def mesh_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """With the namespace of the cases."""
    cluster = LocalCluster(tmp_path_factory.mktemp("validator") / "cluster", api_only=True)
    try:
        cluster.up()
        kubectl = Kubectl(cluster.kubeconfig)
        for folder in _DEFINITIONS:
            kubectl.apply(kubectl.render(ROOT / folder), doing="applying the definitions")
        kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        kubectl("create", "namespace", NAMESPACE)
        yield cluster
    finally:
        cluster.down(delete=True)
