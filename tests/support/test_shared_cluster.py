"""One cluster for several processes: who starts it, who ends it, and what a killed one leaves."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.cluster import shared_cluster

pytestmark = pytest.mark.integration

# Says which API server it uses, and keeps the cluster until its standard input ends.
USER = """
import sys
from pathlib import Path
from tests.support.cluster import shared_cluster
with shared_cluster(Path(sys.argv[1]), api_only=True) as cluster:
    print([c.pid for c in cluster.status() if c.name == "kube-apiserver"][0], flush=True)
    sys.stdin.read()
"""


@contextmanager
def user(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    command = [sys.executable, "-c", USER, str(folder)]
    process = subprocess.Popen(
        command,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())


def api_servers(folder: Path) -> list[int | None]:
    status = LocalCluster(folder / "state").status()
    return [component.pid for component in status if component.name == "kube-apiserver"]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    LocalCluster(tmp_path / "state").down(delete=True)


def test_last_user_deletes_it(folder: Path) -> None:
    with user(folder) as (_, first):
        with user(folder) as (_, second):
            assert first == second
        assert api_servers(folder) == [first]

    assert api_servers(folder) == []
    assert not (folder / "state").exists()


def test_leftovers_of_a_killed_user_are_replaced(folder: Path) -> None:
    with user(folder) as (process, first):
        process.kill()
    assert api_servers(folder) == [first]

    with shared_cluster(folder, api_only=True):
        assert api_servers(folder) != [first]

    assert api_servers(folder) == []


def test_killed_user_does_not_disturb_the_others(folder: Path) -> None:
    with user(folder) as (killed, first), user(folder):
        killed.kill()
        killed.wait()
        with user(folder) as (_, third):
            assert third == first
        assert api_servers(folder) == [first]
