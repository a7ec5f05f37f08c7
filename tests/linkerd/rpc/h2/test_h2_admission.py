"""Who may connect, and what is said of those who may not."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from linkerd.rpc.h2.admission import Admission, Peer
from linkerd.rpc.h2.budget import BURST, DEBT
from linkerd.rpc.metrics import ConnectionMetrics
from tests.support.sessions import ManualTimers


class Transport:
    """One between these addresses."""

    def __init__(self, peer: Any, here: Any) -> None:
        self._known = {"peername": peer, "sockname": here}

    def get_extra_info(self, name: str) -> Any:
        return self._known[name]


@pytest.fixture
def timers() -> ManualTimers:
    return ManualTimers()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def admission(timers: ManualTimers, registry: CollectorRegistry) -> Admission:
    return Admission(3, ConnectionMetrics.of(registry), timers)


def peer(host: str) -> Peer:
    return Peer(host, "10.0.0.1", f"ipv4:{host}:4")


def refused(registry: CollectorRegistry, reason: str) -> float:
    labels = {"reason": reason}
    return registry.get_sample_value("grpc_server_connections_refused_total", labels) or 0


def test_an_address_that_flooded_is_turned_away_for_a_while(
    admission: Admission, timers: ManualTimers, registry: CollectorRegistry
) -> None:
    allowance = admission.admit(peer("10.0.0.2"), 0)
    assert allowance is not None
    allowance.spend(BURST + DEBT, timers.time())
    assert admission.admit(peer("10.0.0.2"), 0) is None
    assert admission.admit(peer("10.0.0.3"), 0) is not None
    assert refused(registry, "flood") == 1
    timers.advance(60)
    assert admission.admit(peer("10.0.0.2"), 0) is not None


def test_nobody_fills_the_log_by_connecting(
    admission: Admission,
    timers: ManualTimers,
    registry: CollectorRegistry,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for _ in range(100):
        assert admission.admit(peer("10.0.0.2"), 3) is None
    timers.advance(61)
    assert admission.admit(peer("10.0.0.2"), 3) is None
    assert refused(registry, "limit") == 101
    written = capsys.readouterr()
    assert (written.out + written.err).count("too many connections") == 2


@pytest.mark.parametrize(
    ("address", "host", "name"),
    [
        (("10.1.2.3", 4), "10.1.2.3", "ipv4:10.1.2.3:4"),
        (("::ffff:10.1.2.3", 4, 0, 0), "10.1.2.3", "ipv4:10.1.2.3:4"),
        (("fd00::1", 4, 0, 0), "fd00::1", "ipv6:[fd00::1]:4"),
        (("fe80::1%eth0", 4, 0, 2), "fe80::1%eth0", "ipv6:[fe80::1%eth0]:4"),
        (None, "", ""),
    ],
)
def test_peers_are_named_as_grpc_names_them(address: Any, host: str, name: str) -> None:
    transport: Any = Transport(address, ("10.0.0.1", 8086))
    assert Peer.of(transport) == Peer(host, "10.0.0.1", name)


def test_every_kind_of_address_has_a_purse(admission: Admission) -> None:
    for host in ("10.0.0.2", "10.0.0.1", "127.0.0.1", "fd00::1", "fe80::1%eth0", ""):
        assert admission.admit(peer(host), 0) is not None
