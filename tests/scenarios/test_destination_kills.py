"""What streams live through when the program behind them dies, or the API server does: real
processes beside a real API server, and clients that come back as proxies do."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.local.ports import is_free
from linkerd.mesh.labels import OPAQUE_PORTS, SERVICE_NAME
from linkerd.rpc.engines import ENGINES
from linkerd.stubs.proxy import destination_pb2 as pb
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.eventually import eventually
from tests.support.followers import Crowd, Follower, followers
from tests.support.half_reader import HalfReader
from tests.support.replica import Replica, ready

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STREAMS: Final = 1000
CONNECTIONS: Final = 20
SETTLING: Final = 60.0
"""Seconds that a crowd may take where a test is not about time; a free machine needs three."""
RECOVERY: Final = 15.0
"""Seconds from ready until everybody has heard: the longest pause of a client, and then some."""
AWAY: Final = float(os.environ.get("LINKERD_TEST_AWAY_SECONDS", "3"))
_log = logging.getLogger(__name__)  # shown with --log-cli-level=INFO


@dataclass
class Services:
    """Services of a namespace and their endpoints, which are bare addresses."""

    api: AdminApi
    namespace: str

    def put(self, name: str, *ips: str, annotations: Mapping[str, str] | None = None) -> str:
        """Makes the service have these endpoints; its authority."""
        meta = {"name": name, "annotations": dict(annotations or {})}
        spec = {"ports": [{"name": "http", "port": 8080}]}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
        self.api.apply(f"/api/v1/namespaces/{self.namespace}/services/{name}", service)
        for start in range(0, max(len(ips), 1), 1000):  # as many as a slice may hold
            self._slice(name, start // 1000, ips[start : start + 1000])
        return f"{name}.{self.namespace}.svc.cluster.local:8080"

    def _slice(self, service: str, number: int, ips: tuple[str, ...]) -> None:
        manifest = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{service}-{number}", "labels": {SERVICE_NAME: service}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [ip], "conditions": {"ready": True}} for ip in ips],
            "ports": [{"name": "http", "port": 8080}],
        }
        group = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        self.api.apply(f"{group}/{service}-{number}", manifest)


@pytest.fixture
def services(api_cluster: LocalCluster, namespace: str) -> Iterator[Services]:
    with api_cluster.api() as api:
        yield Services(api, namespace)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each value of --grpc-engine in turn."""
    return str(request.param)


async def agreed(crowd: list[Follower], *ips: str, seconds: float = SETTLING) -> None:
    """Everybody is on an open stream and has these endpoints."""
    await eventually(
        lambda: all(each.following and each.ips == set(ips) for each in crowd),
        f"{len(crowd)} streams of {crowd[0].path} having {sorted(ips)}",
        seconds,
    )


def only_message(follower: Follower) -> Any:
    """What the stream of now said: one thing."""
    (message,) = follower.attempts[-1].messages
    return message


def added(message: pb.Update) -> set[int]:
    """The last parts of the addresses of an Add."""
    assert message.WhichOneof("update") == "add"
    return {entry.addr.ip.ipv4 & 0xFF for entry in message.add.addrs}


class TestKilled:
    async def test_a_thousand_streams_come_back_to_what_is_true(
        self, api_cluster: LocalCluster, services: Services, engine: str
    ) -> None:
        """SIGKILL, changes of all kinds meanwhile, and a new process on the same address. Each
        stream's first message is complete and is the only one."""
        books = services.put("books", "10.4.0.1", "10.4.0.2")
        quotes = services.put("quotes", "10.4.0.1")
        prices = services.put("prices", "10.4.0.1", "10.4.0.2")
        replica = Replica.of(api_cluster.kubeconfig, engine)
        with replica.start() as first:
            await ready(first)
            async with followers(replica.address, connections=CONNECTIONS) as crowd:
                groups = _open(crowd, books, quotes, prices)
                await eventually(lambda: crowd.following == STREAMS, "all streams", SETTLING)
                assert await replica.subscribers() == STREAMS

                await asyncio.to_thread(first.kill)
                await eventually(lambda: not crowd.following, "all streams broken", SETTLING)
                # What proxies know stays in use meanwhile.
                assert all(each.ips == {"10.4.0.1", "10.4.0.2"} for each in groups["books"])
                services.put("books", "10.4.0.2", "10.4.0.3")
                services.put("quotes", annotations={OPAQUE_PORTS: "8080"})

                with replica.start() as second:
                    begun = await ready(second)
                    await eventually(lambda: crowd.following == STREAMS, "all back", RECOVERY)
                    last = max(each.heard_at for each in crowd.followers)
                    _log.info("all were whole %.1f s after ready", last - begun)
                    for each in groups["books"]:
                        assert added(only_message(each)) == {2, 3}
                    for each in groups["quotes"]:
                        assert only_message(each).no_endpoints.exists
                    for each in groups["prices"]:
                        assert added(only_message(each)) == {1, 2}
                    for each in groups["profiles"]:
                        assert only_message(each).opaque_protocol
                    assert await replica.subscribers() == STREAMS
                    services.put("quotes", "10.4.0.9", annotations={OPAQUE_PORTS: "8080"})
                    await agreed(groups["quotes"], "10.4.0.9")
                    assert crowd.following == STREAMS

    async def test_a_reader_in_the_middle_of_a_message(
        self, api_cluster: LocalCluster, services: Services, engine: str
    ) -> None:
        """Half a message is out when the process dies: the client sees a broken stream and no
        message, comes back, and has everything."""
        ips = [f"10.4.{i // 250}.{i % 250 + 1}" for i in range(2000)]
        wide = services.put("wide", *ips)
        replica = Replica.of(api_cluster.kubeconfig, engine)
        with replica.start() as first:
            await ready(first)
            async with followers(replica.address) as crowd:
                slow = crowd.get(wide, reading=False)
                half = HalfReader(replica.port)
                assert await half.read(wide) > 0
                await eventually(lambda: slow.attempts, "the slow stream")
                await asyncio.to_thread(first.kill)
                assert not await half.complete()

                slow.reading.set()
                await eventually(lambda: slow.attempts[0].code is not None, "it breaking")
                assert slow.attempts[0].messages == []
                assert slow.attempts[0].code is not None
                assert slow.attempts[0].code.name == "UNAVAILABLE"
                with replica.start() as second:
                    await ready(second)
                    await agreed([slow], *ips, seconds=RECOVERY)
                    assert len(slow.attempts[-1].messages) == 2  # of 1,000 endpoints each


def _open(crowd: Crowd, books: str, quotes: str, prices: str) -> dict[str, list[Follower]]:
    """A quarter of the streams each, mixed on every connection."""
    groups: dict[str, list[Follower]] = {key: [] for key in ("books", "quotes", "prices")}
    groups["profiles"] = []
    for _ in range(STREAMS // 4):
        groups["books"].append(crowd.get(books))
        groups["quotes"].append(crowd.get(quotes))
        groups["prices"].append(crowd.get(prices))
        groups["profiles"].append(crowd.profile(quotes))
    return groups


class TestTwoReplicas:
    async def test_one_is_killed(
        self, api_cluster: LocalCluster, services: Services, engine: str
    ) -> None:
        """Its streams move to the other and are told everything; those that were there already
        hear nothing of it, and afterwards all hear a change, once."""
        authority = services.put("books", "10.4.0.1", "10.4.0.2")
        one, two = (Replica.of(api_cluster.kubeconfig, engine) for _ in range(2))
        with one.start() as killed, two.start() as other:
            await ready(killed)
            await ready(other)
            addresses = (one.address, two.address)
            async with followers(*addresses, connections=CONNECTIONS) as crowd:
                for _ in range(200 // CONNECTIONS):  # a channel takes its time for both addresses
                    for _ in range(CONNECTIONS):
                        crowd.get(authority)
                    await agreed(crowd.followers, "10.4.0.1", "10.4.0.2")
                share = await one.subscribers()
                assert 0 < share < 200
                assert share + await two.subscribers() == 200

                await asyncio.to_thread(killed.kill)
                await eventually(lambda: len(_moved(crowd)) == share, "the others noticing")
                await agreed(crowd.followers, "10.4.0.1", "10.4.0.2", seconds=RECOVERY)
                assert await two.subscribers() == 200
                assert len(_moved(crowd)) == share
                for each in crowd.followers:
                    assert added(only_message(each)) == {1, 2}

                services.put("books", "10.4.0.2")
                await agreed(crowd.followers, "10.4.0.2")
                assert {len(each.attempts[-1].messages) for each in crowd.followers} == {2}
                assert len(_moved(crowd)) == share


def _moved(crowd: Crowd) -> list[Follower]:
    """Those whose first stream has ended."""
    return [each for each in crowd.followers if each.attempts[0].code is not None]


@pytest.mark.parametrize("how", ["cut", "stall"])
async def test_the_api_server_is_away_across_our_restart(
    api_cluster: LocalCluster,
    services: Services,
    tmp_path: Path,
    how: Literal["cut", "stall"],
) -> None:
    """The new process lives, unready, and refuses connections, so that proxies keep what they know
    or go elsewhere; it keeps trying, and is right once the API server is back.

    LINKERD_TEST_AWAY_SECONDS keeps the API server away for longer."""
    authority = services.put("books", "10.4.0.1", "10.4.0.2")
    async with CutProxy(*api_server_of(api_cluster.kubeconfig)) as wire:
        replica = Replica.of(kubeconfig_through(api_cluster.kubeconfig, wire, tmp_path), "h2")
        with replica.start() as first:
            await ready(first)
            async with followers(replica.address, connections=2) as crowd:
                for _ in range(50):
                    crowd.get(authority)
                await agreed(crowd.followers, "10.4.0.1", "10.4.0.2")
                if how == "cut":
                    await wire.cut()
                else:
                    wire.stall()
                await asyncio.to_thread(first.kill)
                await eventually(lambda: not crowd.following, "all streams broken", SETTLING)
                services.put("books", "10.4.0.2", "10.4.0.3")
                tries = wire.accepted
                with replica.start() as second:
                    # A stalled try is not over before the API server is back.
                    tries += 1 if how == "stall" else 20
                    await _serves_nothing(replica, lambda: wire.accepted >= tries)
                    assert all(each.ips == {"10.4.0.1", "10.4.0.2"} for each in crowd.followers)
                    back = time.monotonic()
                    wire.heal()
                    took = await ready(second) - back
                    _log.info("ready %.1f s after the API server's return", took)
                    await agreed(crowd.followers, "10.4.0.2", "10.4.0.3", seconds=RECOVERY)
                    for each in crowd.followers:
                        assert added(only_message(each)) == {2, 3}
                    assert (await replica.page("/ready"))[0] == 200


async def _serves_nothing(replica: Replica, enough: Callable[[], bool]) -> None:
    """Alive, not ready and refusing connections, for as long as set and until `enough`."""
    await eventually(lambda: not is_free("127.0.0.1", replica.admin), "the admin server", SETTLING)
    begun = time.monotonic()
    while time.monotonic() - begun < AWAY or not enough():
        assert time.monotonic() - begun < AWAY + SETTLING, "it does not try again"
        assert (await replica.page("/live"))[0] == 200
        code, text = await replica.page("/ready")
        assert code == 500
        assert "caches" in text
        assert await replica.refuses()
        await asyncio.sleep(0.05)
