"""The control plane and the demo, delivered into a real node, and calls to them as proxies make.

The host reaches every ClusterIP of the node, so tests talk to the Services themselves.
"""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from linkerd.delivery.install import Images, install
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.node import put_on_node
from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from linkerd.local.files import locked
from linkerd.local.progress import SilentProgress
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY
from tests.support.meshed import Meshed
from tests.support.namespaces import fresh_namespace


@pytest.fixture(scope="session")
def images(node_cluster: LocalCluster) -> Images:
    """On the node, built from this tree."""
    return put_on_node(ROOT, node_cluster, SilentProgress())


@pytest.fixture(scope="session")
def delivered(node_cluster: LocalCluster, images: Images) -> Kubectl:
    """kubectl for a cluster in which control plane and demo are ready."""
    kubectl = Kubectl(node_cluster.kubeconfig)
    with locked(Path(f"{node_cluster.state}.delivery.lock")):
        install(ROOT, kubectl, images, SilentProgress())
    return kubectl


def _channel(kubectl: Kubectl, service: str) -> grpc.Channel:
    found = kubectl.find("service", service, "linkerd")
    assert found is not None
    port = found["spec"]["ports"][0]["port"]
    return grpc.insecure_channel(f"{found['spec']['clusterIP']}:{port}")


@pytest.fixture(scope="session")
def destination(delivered: Kubectl) -> Iterator[grpc.Channel]:
    """To Service linkerd-dst."""
    with _channel(delivered, "linkerd-dst") as channel:
        yield channel


@pytest.fixture(scope="session")
def identity(delivered: Kubectl) -> Iterator[grpc.Channel]:
    """To Service linkerd-identity."""
    with _channel(delivered, "linkerd-identity") as channel:
        yield channel


@pytest.fixture
def anchors(delivered: Kubectl) -> str:
    """The trust anchors of the cluster, as PEM."""
    found = delivered.find("configmap", ANCHORS, "linkerd")
    assert found is not None
    return str(found["data"][ANCHORS_KEY])


@pytest.fixture(scope="module")
def meshed(node_cluster: LocalCluster, delivered: Kubectl, images: Images) -> Iterator[Meshed]:
    """Two workloads that have certificates and meet all the time."""
    found = delivered.find("configmap", ANCHORS, "linkerd")
    assert found is not None
    with node_cluster.api() as api, fresh_namespace(api, prefix="meshed") as namespace:
        workloads = Meshed(delivered, namespace)
        workloads.start(images.control_plane, found["data"][ANCHORS_KEY])
        yield workloads
