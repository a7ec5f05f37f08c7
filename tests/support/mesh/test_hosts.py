"""Hosts reach each other, applications' connections are redirected, and dead runs leave nothing."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from linkerd.local.requirements import node_obstacle
from tests.support.mesh.hosts import Network
from tests.support.mesh.proxies import ROOT

_ORIGINAL_DESTINATION: Final = 80  # SO_ORIGINAL_DST
_OBSTACLE: Final = node_obstacle()

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(60),
    pytest.mark.skipif(_OBSTACLE is not None, reason=str(_OBSTACLE)),
]


@pytest.fixture
def network() -> Iterator[Network]:
    with Network() as made:
        yield made


def test_hosts_reach_each_other(network: Network) -> None:
    near, far = network.host("near", "10.213.1.1"), network.host("far", "198.51.100.1")
    with far.listen(8080) as listening, near.connect(far.ip, 8080) as connection:
        accepted, client = listening.accept()
        with accepted:
            assert client[0] == near.ip == connection.getsockname()[0]
            connection.sendall(b"ping")
            assert accepted.recv(4) == b"ping"


def test_what_applications_send_and_get_is_redirected(network: Network) -> None:
    near, far = network.host("near", "10.213.1.1"), network.host("far", "198.51.100.1")
    near.redirect()
    with near.listen(4140, ip="127.0.0.1") as proxy, near.connect("10.96.0.9", 80):
        assert original_destination(proxy) == ("10.96.0.9", 80)
    with near.listen(4143) as proxy, far.connect(near.ip, 8001):
        assert original_destination(proxy) == (near.ip, 8001)
    with near.listen(4191) as admin, far.connect(near.ip, 4191):
        accepted, _ = admin.accept()
        accepted.close()


def test_what_a_dead_run_left_is_cleared() -> None:
    program = (
        "import subprocess, sys\n"
        "from tests.support.mesh.hosts import Network\n"
        "host = Network().__enter__().host('left', '10.213.1.1')\n"
        "with host.entered():\n"
        "    child = subprocess.Popen(['sleep', '600'])\n"
        "print(host.namespace, child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as run:
        assert run.stdout is not None
        namespace, child = run.stdout.readline().decode().split()
        with Network():
            assert (Path("/run/netns") / namespace).exists()  # it lives
        run.send_signal(signal.SIGKILL)
        run.wait()
    with Network():
        assert not (Path("/run/netns") / namespace).exists()
    assert not is_alive(int(child))


def original_destination(listening: socket.socket) -> tuple[str, int]:
    """Where the next client of a listening socket wanted to go."""
    accepted, _ = listening.accept()
    with accepted:
        raw = accepted.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16)
    port, packed = struct.unpack("!2xH4s8x", raw)
    return socket.inet_ntoa(packed), port


def is_alive(pid: int) -> bool:
    """Whether it runs; what ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
