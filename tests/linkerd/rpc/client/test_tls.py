"""Calls over the mesh's TLS: who answers is who was asked for, whatever happens to certificates."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from prometheus_client import CollectorRegistry

from linkerd.rpc.client.channels import Channel, Channels
from linkerd.rpc.client.errors import PeerIdentityError, UnreachableError
from linkerd.rpc.client.tls import MeshTls, stranger_of
from linkerd.rpc.engines import Engine
from linkerd.rpc.methods import signatures
from linkerd.runtime.errors import StartError
from linkerd.runtime.reload import Reloader, ReloadMetrics
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.certificates import Credentials
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.mesh_tls import TlsFront, Workload
from tests.support.rpc import NumbersTopic, World, apply

GET = signatures(destination_pb2.DESCRIPTOR.services_by_name["Destination"])["Get"]
CERTIFY = signatures(identity_pb2.DESCRIPTOR.services_by_name["Identity"])["Certify"]
WEB = destination_pb2.GetDestination(path="web")
INTERVAL = timedelta(seconds=1)


@pytest.fixture(params=["h2"])
def engine(request: pytest.FixtureRequest) -> str:
    """What is behind the TLS makes no difference here."""
    name: str = request.param
    return name


@pytest.fixture
def mesh() -> Credentials:
    return Credentials.make()


@pytest.fixture
def tap(tmp_path: Path, mesh: Credentials) -> Workload:
    """Who calls."""
    return Workload.make(tmp_path, "tap", mesh)


@pytest.fixture
def web(tmp_path: Path, mesh: Credentials) -> Workload:
    """Who is called."""
    return Workload.make(tmp_path, "web", mesh)


@pytest.fixture
async def channels(tap: Workload) -> AsyncIterator[Channels]:
    async with Channels(tls=tap.tls()) as made:
        yield made


def at(channels: Channels, front: TlsFront, identity: str) -> Channel:
    return channels.channel(HostPort("127.0.0.1", front.port), identity=identity)


async def ask(channel: Channel) -> None:
    request = identity_pb2.CertifyRequest(identity="me")
    answer = await channel.unary(CERTIFY, request, timeout=60)
    assert answer.intermediate_certificates == [b"me"]


async def refused(channel: Channel) -> PeerIdentityError:
    with pytest.raises(PeerIdentityError) as caught:
        await ask(channel)
    return caught.value


async def test_both_sides_know_whom_they_meet(
    channels: Channels, server: Engine, tap: Workload, web: Workload
) -> None:
    async with TlsFront(web, server.port) as front:
        await ask(at(channels, front, web.identity))
        await ask(at(channels, front, web.identity))
        assert front.clients == [tap.identity]


async def test_a_watch_over_tls(
    channels: Channels, server: Engine, web: Workload, world: World
) -> None:
    topic, numbers = world.topics["web"], set[int]()
    topic.publish(frozenset({1}))
    async with (
        TlsFront(web, server.port) as front,
        at(channels, front, web.identity).watch(GET, WEB) as updates,
    ):
        apply(numbers, await anext(updates))
        topic.publish(frozenset({1, 2}))
        apply(numbers, await anext(updates))
        assert numbers == {1, 2}
    await asyncio.wait_for(topic.empty.wait(), 10)


async def test_somebody_else_is_refused_by_name(
    channels: Channels, server: Engine, web: Workload, tmp_path: Path, mesh: Credentials
) -> None:
    api = Workload.make(tmp_path, "api", mesh)
    async with TlsFront(api, server.port) as front:
        error = await refused(at(channels, front, web.identity))
        assert error.message == (
            f"127.0.0.1:{front.port} is to be {web.identity}, "
            f"but its certificate is of {api.identity}"
        )
        assert channels.connections == 0
        await eventually(lambda: not front.open_connections, "the end of the connection")


async def test_a_wildcard_is_nobody(
    channels: Channels, server: Engine, web: Workload, mesh: Credentials
) -> None:
    wildcard = "*." + web.identity.partition(".")[2]
    web.certify(mesh, san=wildcard)
    async with TlsFront(web, server.port) as front:
        error = await refused(at(channels, front, web.identity))
        assert error.message.endswith(f"but its certificate is of {wildcard}")


async def test_a_strangers_certificate_is_not_trusted(
    channels: Channels, server: Engine, web: Workload, mesh: Credentials
) -> None:
    stranger = Credentials.make()
    web.certify(stranger)
    async with TlsFront(web, server.port) as front:
        error = await refused(at(channels, front, web.identity))
        assert f"is to be {web.identity}, but its certificate is not to be trusted" in error.message


async def test_an_expired_certificate_is_not_trusted(
    channels: Channels, server: Engine, web: Workload, mesh: Credentials
) -> None:
    web.certify(mesh, age=timedelta(days=2))
    async with TlsFront(web, server.port) as front:
        error = await refused(at(channels, front, web.identity))
        assert error.message.endswith("is not to be trusted: certificate has expired")


async def test_a_server_that_does_not_trust_us_is_unreachable(
    server: Engine, web: Workload, tmp_path: Path, mesh: Credentials
) -> None:
    stranger = Workload.make(tmp_path, "stranger", Credentials.make(), trusts=mesh)
    async with TlsFront(web, server.port) as front, Channels(tls=stranger.tls()) as channels:
        with pytest.raises(
            UnreachableError, match=f"{front.port}, which is to be {web.identity}, turns us away"
        ):
            await ask(at(channels, front, web.identity))


async def test_a_server_without_tls_is_unreachable(
    channels: Channels, server: Engine, web: Workload
) -> None:
    channel = channels.channel(HostPort("127.0.0.1", server.port), identity=web.identity)
    with pytest.raises(UnreachableError, match=f"no TLS with .* is to be {web.identity}: "):
        await ask(channel)


async def test_a_connection_that_is_killed_ends_its_watches(
    channels: Channels, server: Engine, web: Workload, world: World
) -> None:
    world.topics["web"].publish(frozenset({1}))
    async with TlsFront(web, server.port) as front:
        channel = at(channels, front, web.identity)
        async with channel.watch(GET, WEB) as updates:
            await anext(updates)
            await front.kill()
            with pytest.raises(UnreachableError, match="broke off"):
                await anext(updates)
        await ask(channel)  # on a new one


async def test_a_slow_reader_holds_the_server_back(
    channels: Channels, server: Engine, web: Workload, world: World
) -> None:
    topic = world.topics["web"] = NumbersTopic(padding=30_000)
    topic.publish(frozenset())
    async with TlsFront(web, server.port) as front:
        channel = at(channels, front, web.identity)
        async with channel.watch(GET, WEB) as updates:
            await anext(updates)
            for number in range(1, 21):
                topic.publish(frozenset(range(number)))
                await ask(channel)
            numbers = set[int]()
            while len(numbers) < 20:
                apply(numbers, await anext(updates))
            assert topic.deltas < 20


async def reloading(tls: MeshTls, clock: FakeClock) -> "asyncio.Task[None]":
    metrics = ReloadMetrics(CollectorRegistry(), "client_certificate", "the certificate")
    reloader = Reloader(tls.files, tls, metrics, interval=INTERVAL, clock=clock)
    return asyncio.create_task(reloader.run())


async def look_twice(clock: FakeClock) -> None:
    """A change counts when two looks agree."""
    for _ in range(2):
        await clock.wait_for_sleepers()
        await clock.advance(INTERVAL.total_seconds())
    await clock.wait_for_sleepers()


async def test_anchors_that_change_under_it_count_for_the_next_call(
    tap: Workload, server: Engine, web: Workload, world: World, mesh: Credentials
) -> None:
    clock, tls, renewed = FakeClock(), tap.tls(), Credentials.make()
    both = mesh.anchor.certificate_pem + renewed.anchor.certificate_pem
    world.topics["web"].publish(frozenset({1}))
    task = await reloading(tls, clock)
    web.anchors.write_bytes(both)
    async with (
        TlsFront(web, server.port) as old,
        Channels(tls=tls) as channels,
        at(channels, old, web.identity).watch(GET, WEB) as updates,
    ):
        await anext(updates)
        web.certify(renewed)
        async with TlsFront(web, server.port) as new:
            await refused(at(channels, new, web.identity))
            tap.anchors.write_bytes(both)
            await look_twice(clock)
            await ask(at(channels, new, web.identity))
        world.topics["web"].publish(frozenset({1, 2}))
        await anext(updates)  # what has begun goes on
        tap.certify(renewed)
        await look_twice(clock)
        await ask(at(channels, old, web.identity))
        assert old.clients == [tap.identity] * 2, "on a connection with the new certificate"
    task.cancel()


async def test_files_that_are_broken_leave_what_was(
    tap: Workload, server: Engine, web: Workload
) -> None:
    clock, tls = FakeClock(), tap.tls()
    task, before = await reloading(tls, clock), tls.context
    tap.anchors.write_bytes(b"no PEM")
    with structlog.testing.capture_logs() as logs:
        await look_twice(clock)
    assert [str(tap.anchors) in line["error"] for line in logs] == [True]
    assert tls.context is before
    async with TlsFront(web, server.port) as front, Channels(tls=tls) as channels:
        await ask(at(channels, front, web.identity))
    task.cancel()


@pytest.mark.parametrize("broken", ["certificate", "key", "anchors"])
@pytest.mark.parametrize("content", [b"", b"no PEM", b"\xff\xfe", None])
def test_a_file_that_cannot_be_used_is_named(
    tap: Workload, web: Workload, broken: str, content: bytes | None
) -> None:
    path: Path = getattr(tap, broken)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(StartError, match=str(path)):
        tap.tls()


def test_a_key_of_another_certificate_is_refused(tap: Workload, web: Workload) -> None:
    tap.key.write_bytes(web.key.read_bytes())
    with pytest.raises(StartError, match=str(tap.key)):
        tap.tls()


async def test_identities_need_a_certificate() -> None:
    async with Channels() as channels:
        with pytest.raises(ValueError, match="web: there is no certificate to meet it with"):
            channels.channel(HostPort("127.0.0.1", 1), identity="web")


@pytest.mark.parametrize(
    ("names", "good"),
    [
        ((("DNS", "web.shop"),), True),
        ((("DNS", "other"), ("DNS", "WEB.shop")), True),
        ((("URI", "web.shop"), ("IP Address", "web.shop")), False),
        ((("DNS", "*.shop"),), False),
        ((), False),
    ],
)
def test_only_the_dns_name_counts(names: tuple[tuple[str, str], ...], good: bool) -> None:
    certificate = {"subject": ((("commonName", "web.shop"),),), "subjectAltName": names}
    assert (stranger_of("address", "web.shop", certificate) is None) is good
