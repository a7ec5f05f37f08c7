"""One mesh for all tests: unmodified proxies on our services, each on a host of its own."""

import os
import shutil
from collections.abc import Iterator

import pytest

from linkerd.local.requirements import node_obstacle
from tests.support.cluster import define, shared_cluster, shared_folder
from tests.support.mesh.scene import Scene
from tests.support.mesh.world import World, running_world

_NONE = "LINKERD2_PROXY names no proxy: set it to the path of one, as /usr/bin/linkerd2-proxy"


@pytest.fixture(scope="session")
def proxy_program() -> str:
    """The path of the program that proxies are; without one the test is skipped."""
    named = os.environ.get("LINKERD2_PROXY", "")
    if not named:
        pytest.skip(_NONE)
    if reason := node_obstacle():
        pytest.skip(reason)
    program = shutil.which(named)
    assert program is not None, f"LINKERD2_PROXY: {named!r} is not a program that can be run"
    return program


@pytest.fixture(scope="session")
def world(proxy_program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The mesh, on an API server where no other tests write: the control plane would read all of
    that before it tells proxies what they wait for."""
    folder = tmp_path_factory.mktemp("mesh")
    with shared_cluster(shared_folder("mesh"), api_only=True) as cluster:
        define(cluster, "deploy/base/crds", "deploy/components/gateway-api")
        with running_world(cluster, folder, proxy_program) as world:
            yield world


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    """What this test makes of it."""
    made = Scene(world)
    yield made
    made.end()
