"""Real clusters for tests, as pytest fixtures.

`api_cluster` is one API server for the whole run, shared by all xdist workers and by other runs of
the same user at the same time: whoever comes first starts it, whoever leaves last deletes it, and
what a run that was killed left behind is deleted by the next. The kernel counts the users: each
holds a shared lock that dies with its process. Tests keep apart by namespace; a test that changes
what all share (kills a component, compacts the store) takes `own_api_cluster`, which is its own.
"""

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from linkerd.local.files import locked, private_folder
from linkerd.local.programs import source_digest
from linkerd.local.progress import PlainProgress
from linkerd.local.requirements import node_obstacle
from tests.support.images import write_busybox_archive
from tests.support.namespaces import fresh_namespace


@contextmanager
def shared_cluster(folder: Path, *, api_only: bool) -> Iterator[LocalCluster]:
    """The cluster below `folder`, up; started by its first user and deleted by its last."""
    cluster = LocalCluster(folder / "state", api_only=api_only)
    turn, users = folder / "turn.lock", folder / "users.lock"
    private_folder(folder)
    descriptor = os.open(users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with locked(turn):
            if _is_alone(descriptor):
                cluster.down(delete=True)
            cluster.up(PlainProgress(sys.__stderr__ or sys.stderr))
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield cluster
        with locked(turn):
            if _is_alone(descriptor):
                cluster.down(delete=True)
    finally:
        os.close(descriptor)


def _is_alone(descriptor: int) -> bool:
    """Whether no other process holds the lock; it is held exclusively then."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def shared_folder(kind: str) -> Path:
    """The same for every test process of this user that needs the same programs."""
    return Path(tempfile.gettempdir()) / f"linkerd-py-{kind}-{os.getuid()}-{source_digest()}"


@pytest.fixture(scope="session")
def api_cluster() -> Iterator[LocalCluster]:
    """etcd and kube-apiserver, shared: `.kubeconfig`, `.kubectl(...)`, `.api()`."""
    with shared_cluster(shared_folder("api"), api_only=True) as cluster:
        yield cluster


@pytest.fixture
def namespace(api_cluster: LocalCluster) -> Iterator[str]:
    """A new namespace in `api_cluster`, emptied and deleted after the test."""
    with api_cluster.api() as api, fresh_namespace(api) as name:
        yield name


@pytest.fixture(scope="session")
def other_api_cluster() -> Iterator[LocalCluster]:
    """A second one of that kind, for what goes on between two clusters."""
    with shared_cluster(shared_folder("other-api"), api_only=True) as cluster:
        yield cluster


@pytest.fixture
def other_namespace(other_api_cluster: LocalCluster) -> Iterator[str]:
    """A new namespace in `other_api_cluster`."""
    with other_api_cluster.api() as api, fresh_namespace(api) as name:
        yield name


@pytest.fixture(scope="session")
def policy_cluster() -> Iterator[LocalCluster]:
    """A third one, which knows the mesh's custom resources and the kinds of the Gateway API."""
    with shared_cluster(shared_folder("policy"), api_only=True) as cluster:
        define(cluster, "deploy/base/crds", "deploy/components/gateway-api")
        yield cluster


@pytest.fixture
def policy_namespace(policy_cluster: LocalCluster) -> Iterator[str]:
    """A new namespace in `policy_cluster`."""
    with policy_cluster.api() as api, fresh_namespace(api) as name:
        yield name


def define(cluster: LocalCluster, *folders: str) -> None:
    """Has a cluster know the custom resources in folders of the tree, which others may do at the
    same time."""
    for folder in folders:
        path = str(ROOT / folder)
        cluster.kubectl("apply", "--server-side", "--force-conflicts", "--kustomize", path)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")


@pytest.fixture
def own_api_cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """An API server that only this test has (3 s to start, 400 MB): it may break it."""
    cluster = LocalCluster(tmp_path / "cluster", api_only=True)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down(delete=True)


@pytest.fixture(scope="session")
def node_cluster() -> Iterator[LocalCluster]:
    """A cluster with a node that runs pods, shared like `api_cluster`; needs root on Linux."""
    if reason := node_obstacle():
        pytest.skip(reason)
    with shared_cluster(shared_folder("node"), api_only=False) as cluster:
        yield cluster


@pytest.fixture
def node_namespace(node_cluster: LocalCluster) -> Iterator[str]:
    """A new namespace in `node_cluster`, deleted after the test."""
    with node_cluster.api() as api, fresh_namespace(api) as name:
        yield name


@pytest.fixture(scope="session")
def busybox(node_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image on `node_cluster` that has /bin/busybox and nothing else."""
    name, archive = write_busybox_archive(tmp_path_factory.mktemp("busybox"))
    if not node_cluster.has_image(name):
        node_cluster.load_image(archive)
    return name
