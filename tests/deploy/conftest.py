"""The trees of this project as Kustomize renders them, and an API server that takes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from tests.support.manifests import Manifest, parse

TREES = ("deploy/base", "deploy/overlays/local", "demo")


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """kubectl without a cluster: for rendering."""
    return Kubectl()


@pytest.fixture(scope="session", params=TREES)
def tree(request: pytest.FixtureRequest, kubectl: Kubectl) -> list[Manifest]:
    """Every object of one tree; a test that takes it runs for each tree."""
    return parse(kubectl.render(ROOT / request.param))


@pytest.fixture(scope="session")
def control_plane(kubectl: Kubectl) -> list[Manifest]:
    """Every object of the base."""
    return parse(kubectl.render(ROOT / "deploy" / "base"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """An API server of these tests alone, because what is applied here is not in a namespace."""
    state: Path = tmp_path_factory.mktemp("deploy") / "cluster"
    local = LocalCluster(state, api_only=True)
    try:
        local.up()
        yield local
    finally:
        local.down(delete=True)
