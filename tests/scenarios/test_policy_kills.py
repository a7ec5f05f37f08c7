"""What streams of policy live through when the program behind them dies, or the API server does:
real processes beside a real API server, and clients that come back as proxies do.

LINKERD_TEST_AWAY_SECONDS keeps the API server away for longer.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import grpc
import grpc.aio
import pytest

from linkerd.local.cluster import LocalCluster
from linkerd.local.ports import is_free
from linkerd.rpc.engines import ENGINES
from linkerd.stubs.proxy import inbound_pb2, inbound_pb2_grpc, outbound_pb2, outbound_pb2_grpc
from tests.support.cluster import define
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.eventually import eventually
from tests.support.followers import Crowd, Follower, followers
from tests.support.policy.program import Objects
from tests.support.policy.readers import PolicyReader, ServerReader
from tests.support.replica import Replica, ready

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

STREAMS: Final = 1000
CONNECTIONS: Final = 20
SETTLING: Final = 60.0
"""Seconds that a crowd may take where a test is not about time; a free machine needs three."""
RECOVERY: Final = 15.0
"""Seconds from ready until everybody has heard: the longest pause of a client, and then some."""
AWAY: Final = float(os.environ.get("LINKERD_TEST_AWAY_SECONDS", "3"))
LOST: Final = "out of touch with the API server; the last known state stays in use"
ACCOUNT: Final = {"kind": "ServiceAccount", "name": "books"}
_log = logging.getLogger(__name__)  # shown with --log-cli-level=INFO


@pytest.fixture
def objects(policy_cluster: LocalCluster, policy_namespace: str) -> Iterator[Objects]:
    with policy_cluster.api() as api:
        yield Objects(api, policy_namespace)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each value of --grpc-engine in turn."""
    return str(request.param)


def port(crowd: Crowd, objects: Objects, pod: str) -> Follower:
    """Somebody who follows port 8080 of a pod."""
    token = json.dumps({"ns": objects.namespace, "pod": pod})
    request = inbound_pb2.PortSpec(workload=token, port=8080)

    def ask(channel: grpc.aio.Channel) -> Any:
        return inbound_pb2_grpc.InboundServerPoliciesStub(channel).WatchPort(request)

    return crowd.follow(pod, ask, ServerReader)


def service(crowd: Crowd, objects: Objects, name: str) -> Follower:
    """Somebody who calls port 80 of a service."""
    request = outbound_pb2.TrafficSpec(
        source_workload=f"{objects.namespace}:client",
        authority=f"{name}.{objects.namespace}.svc.cluster.local:80",
    )

    def ask(channel: grpc.aio.Channel) -> Any:
        return outbound_pb2_grpc.OutboundPoliciesStub(channel).Watch(request)

    return crowd.follow(name, ask, PolicyReader)


def told(follower: Follower) -> Any:
    """What it goes by."""
    assert follower.told is not None
    return follower.told.messages[-1]


def only_message(follower: Follower) -> Any:
    """What the stream of now said: one thing."""
    (message,) = follower.attempts[-1].messages
    return message


def guard(objects: Objects, app: str) -> None:
    """A Server that nobody may call but one account, for pods of an app."""
    selector = {"matchLabels": {"app": app}}
    objects.create("servers", app, {"port": 8080, "podSelector": selector})
    target = {"group": "policy.linkerd.io", "kind": "Server", "name": app}
    spec = {"targetRef": target, "requiredAuthenticationRefs": [ACCOUNT]}
    objects.create("authorizationpolicies", app, spec)


def is_guarded(server: inbound_pb2.Server) -> bool:
    """Whether a port is told to let that account in, and nobody else."""
    (authz,) = server.authorizations or [inbound_pb2.Authz()]
    identities = authz.authentication.meshTLS.identities.identities
    return [each.name.partition(".")[0] for each in identities] == ["books"]


def is_open(server: inbound_pb2.Server) -> bool:
    """Whether it is told to let everyone in, as a port without a Server."""
    return server.labels["name"] == "all-unauthenticated" and bool(server.authorizations)


def retries(policy: outbound_pb2.OutboundPolicy) -> int:
    """How often a request of the default route is tried again."""
    (route,) = policy.protocol.detect.http1.routes
    return int(route.rules[0].retry.max_retries)


async def agreed(
    crowd: Sequence[Follower], what: Callable[[Any], bool], seconds: float = SETTLING
) -> None:
    """Everybody is on an open stream, whose newest message is so."""
    await eventually(
        lambda: all(each.following and what(told(each)) for each in crowd),
        f"{len(crowd)} streams of {crowd[0].path} being told",
        seconds,
    )


async def test_a_thousand_streams_come_back_to_what_is_true(
    policy_cluster: LocalCluster, objects: Objects, engine: str
) -> None:
    """SIGKILL, changes of all kinds meanwhile, and a new process on the same address. Each stream's
    first message is what is true by then, and is the only one."""
    for name in ("guarded", "opened", "closed"):
        objects.pod(name, labels={"app": name})
    for name in ("guarded", "opened"):
        guard(objects, name)
    objects.create("services", "web", {"ports": [{"name": "http", "port": 80}]})
    replica = Replica.of(policy_cluster.kubeconfig, engine, "policy")
    with replica.start() as first:
        await ready(first)
        async with followers(replica.address, connections=CONNECTIONS) as crowd:
            groups = {
                name: [port(crowd, objects, name) for _ in range(STREAMS // 4)]
                for name in ("guarded", "opened", "closed")
            }
            groups["web"] = [service(crowd, objects, "web") for _ in range(STREAMS // 4)]
            await eventually(lambda: crowd.following == STREAMS, "all streams", SETTLING)
            assert await replica.subscribers() == STREAMS

            await asyncio.to_thread(first.kill)
            await eventually(lambda: not crowd.following, "all streams broken", SETTLING)
            # What proxies know stays in use meanwhile.
            assert all(is_guarded(told(each)) for each in groups["opened"])
            assert all(is_open(told(each)) for each in groups["closed"])
            objects.delete("servers", "opened")
            guard(objects, "closed")
            annotations = {"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "3"}
            objects.annotate("services", "web", annotations)

            with replica.start() as second:
                begun = await ready(second)
                await eventually(lambda: crowd.following == STREAMS, "all back", RECOVERY)
                last = max(each.heard_at for each in crowd.followers)
                _log.info("%s: all were whole %.1f s after ready", engine, last - begun)
                expected: dict[str, Callable[[Any], bool]] = {
                    "guarded": is_guarded,
                    "opened": is_open,
                    "closed": is_guarded,
                    "web": lambda policy: retries(policy) == 3,
                }
                for name, what in expected.items():
                    assert all(what(only_message(each)) for each in groups[name]), name
                assert await replica.subscribers() == STREAMS
                objects.delete("servers", "closed")
                await agreed(groups["closed"], is_open)
                assert crowd.following == STREAMS


@pytest.mark.parametrize("how", ["cut", "stall"])
async def test_the_api_server_is_away(
    policy_cluster: LocalCluster, objects: Objects, tmp_path: Path, how: Literal["cut", "stall"]
) -> None:
    """No stream ends or hears anything, new ones hear the last known state, and afterwards what
    happened meanwhile comes, once."""
    for name in ("guarded", "opened"):
        objects.pod(name, labels={"app": name})
        guard(objects, name)
    objects.create("services", "web", {"ports": [{"name": "http", "port": 80}]})
    async with CutProxy(*api_server_of(policy_cluster.kubeconfig)) as wire:
        kubeconfig = kubeconfig_through(policy_cluster.kubeconfig, wire, tmp_path)
        replica = Replica.of(kubeconfig, "h2", "policy")
        with replica.start() as program:
            await ready(program)
            async with followers(replica.address, connections=2) as crowd:
                opened = [port(crowd, objects, "opened") for _ in range(25)]
                others = [port(crowd, objects, "guarded"), service(crowd, objects, "web")]
                await agreed(opened, is_guarded)
                await eventually(lambda: crowd.following == len(crowd.followers), "all streams")
                if how == "cut":
                    await wire.cut()
                    await asyncio.to_thread(program.event, LOST, resource="servers")
                else:
                    wire.stall()
                objects.delete("servers", "opened")
                begun = time.monotonic()
                late = port(crowd, objects, "opened")
                await agreed([late], is_guarded)
                while time.monotonic() - begun < AWAY:
                    assert (await replica.page("/ready"))[0] == 200
                    assert all(len(each.attempts[-1].messages) == 1 for each in crowd.followers)
                    await asyncio.sleep(0.05)
                back = time.monotonic()
                wire.heal()
                await agreed([*opened, late], is_open)
                heard = max(each.heard_at for each in [*opened, late]) - back
                _log.info("%s for %.0f s: told %.1f s after the return", how, AWAY, heard)
                for each in crowd.followers:
                    assert len(each.attempts) == 1
                    assert len(each.attempts[0].messages) == (1 if each in others else 2)


@pytest.mark.parametrize("how", ["cut", "stall"])
async def test_the_api_server_is_away_across_our_restart(
    policy_cluster: LocalCluster, objects: Objects, tmp_path: Path, how: Literal["cut", "stall"]
) -> None:
    """The new process lives, unready, and refuses connections: it tells nobody that a port is open,
    because it knows of no Server, nor that a pod is not there. So proxies keep what they know."""
    objects.pod("guarded", labels={"app": "guarded"})
    guard(objects, "guarded")
    objects.create("services", "web", {"ports": [{"name": "http", "port": 80}]})
    async with CutProxy(*api_server_of(policy_cluster.kubeconfig)) as wire:
        kubeconfig = kubeconfig_through(policy_cluster.kubeconfig, wire, tmp_path)
        replica = Replica.of(kubeconfig, "h2", "policy")
        with replica.start() as first:
            await ready(first)
            async with followers(replica.address, connections=2) as crowd:
                ports = [port(crowd, objects, "guarded") for _ in range(25)]
                services = [service(crowd, objects, "web") for _ in range(25)]
                await agreed(ports, is_guarded)
                await agreed(services, lambda policy: retries(policy) == 0)
                if how == "cut":
                    await wire.cut()
                else:
                    wire.stall()
                await asyncio.to_thread(first.kill)
                await eventually(lambda: not crowd.following, "all streams broken", SETTLING)
                objects.annotate("services", "web", {"retry.linkerd.io/http": "5xx"})
                tries = wire.accepted
                with replica.start() as second:
                    # A stalled try is not over before the API server is back.
                    tries += 1 if how == "stall" else 20
                    await _serves_nothing(replica, lambda: wire.accepted >= tries)
                    assert all(is_guarded(told(each)) for each in ports)
                    back = time.monotonic()
                    wire.heal()
                    took = await ready(second) - back
                    _log.info("%s: ready %.1f s after the API server's return", how, took)
                    await agreed(ports, is_guarded, RECOVERY)
                    await agreed(services, lambda policy: retries(policy) == 1, RECOVERY)
                    for each in crowd.followers:
                        assert only_message(each)
                        broken = {attempt.code for attempt in each.attempts[:-1]}
                        assert broken == {grpc.StatusCode.UNAVAILABLE}
                        assert not any(attempt.messages for attempt in each.attempts[1:-1])


async def test_an_api_server_that_starts_beside_us(own_api_cluster: LocalCluster) -> None:
    """A server that starts knows nothing of custom resources for a while, and says so in several
    ways; none of them is taken for a cluster without Servers."""
    cluster = own_api_cluster
    await asyncio.to_thread(define, cluster, "deploy/base/crds", "deploy/components/gateway-api")
    with cluster.api() as api:
        api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "fin"}})
        objects = Objects(api, "fin")
        objects.pod("guarded", labels={"app": "guarded"})
        guard(objects, "guarded")
    replica = Replica.of(cluster.kubeconfig, "h2", "policy")
    async with followers(replica.address, connections=2) as crowd:
        ports = [port(crowd, objects, "guarded") for _ in range(10)]
        for _ in range(2):
            await asyncio.to_thread(cluster.stop, "kube-apiserver")
            with replica.start() as program:
                await asyncio.to_thread(cluster.start, "kube-apiserver")
                await ready(program)
                await agreed(ports, is_guarded)
                assert all(is_guarded(only_message(each)) for each in ports)
                await asyncio.to_thread(program.kill)
                await eventually(lambda: not crowd.following, "all streams broken", SETTLING)
        for each in ports:
            assert all(is_guarded(m) for attempt in each.attempts for m in attempt.messages)
            assert {attempt.code for attempt in each.attempts[:-1]} == {grpc.StatusCode.UNAVAILABLE}


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
