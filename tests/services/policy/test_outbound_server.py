"""The outbound API over real gRPC on loopback: statuses, streams, and nothing left behind. Ids of
the catalogue: O2, O73 to O75."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import process_time
from typing import Any, Final

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.mesh.authority import AuthorityError
from linkerd.rpc.engines import ENGINES
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import net_pb2, outbound_pb2_grpc
from linkerd.stubs.proxy import outbound_pb2 as pb
from linkerd.wire.net import tcp_address
from services.policy.index.outbound.authorities import parse_service
from services.policy.index.outbound.errors import UnknownTargetError
from services.policy.server.outbound import OutboundPolicies
from tests.support.eventually import eventually
from tests.support.policy.outbound import IP, IPV6, PORT, World, authorities_of, first_rule
from tests.support.policy.readers import PolicyReader

DOMAIN: Final = "cluster.local"
INVALID: Final = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND: Final = grpc.StatusCode.NOT_FOUND
TOKEN: Final = '{"ns":"fruit","pod":"apple-0"}\n'


@dataclass
class Served:
    """A world and a client of it."""

    world: World
    stub: Any

    def watch(self, token: str = TOKEN, **target: Any) -> Any:
        return self.stub.Watch(pb.TrafficSpec(source_workload=token, **target))

    def get(self, token: str = TOKEN, **target: Any) -> Any:
        return self.stub.Get(pb.TrafficSpec(source_workload=token, **target))

    async def refusal(self, **target: Any) -> tuple[grpc.StatusCode, str]:
        """How calls of both methods end."""
        with pytest.raises(grpc.aio.AioRpcError) as watched:
            await asyncio.wait_for(self.watch(**target).read(), 10)
        with pytest.raises(grpc.aio.AioRpcError) as got:
            await self.get(**target)
        assert watched.value.code() is got.value.code()
        assert watched.value.details() == got.value.details()
        return got.value.code(), got.value.details() or ""


@pytest.fixture(params=list(ENGINES))
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    world = World()
    server = ENGINES[request.param](
        HostPort("127.0.0.1", 0),
        [OutboundPolicies(world.index).table()],
        readiness=Readiness(),
        registry=registry(),
    )
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Served(world, outbound_pb2_grpc.OutboundPoliciesStub(channel))
    await server.stop(0)


async def test_o02_a_stream_tells_what_is_and_what_comes(served: Served) -> None:
    call, reader = served.watch(addr=tcp_address(IP, PORT)), PolicyReader()
    told = reader.take((await asyncio.wait_for(call.read(), 10)).SerializeToString())
    assert told == await served.get(addr=tcp_address(IP, PORT))
    assert told == await served.get(authority="pear.fruit.svc:8080")
    served.world.route("r")
    told = reader.take((await asyncio.wait_for(call.read(), 10)).SerializeToString())
    assert told.protocol.detect.http1.routes[0].metadata.resource.name == "r"
    call.cancel()
    await eventually(lambda: served.world.follow_count() == 0)


async def test_addresses_of_ipv6(served: Served) -> None:
    served.world.service(ip=[IPV6])
    told = await served.get(addr=tcp_address(IPV6, PORT))
    assert told.metadata.resource.name == "pear"


async def test_ipv4_in_the_form_of_ipv6_is_ipv4(served: Served) -> None:
    told = await served.get(addr=tcp_address(f"::ffff:{IP}", PORT))
    assert told == await served.get(addr=tcp_address(IP, PORT))
    code, message = await served.refusal(addr=tcp_address("::ffff:10.1.2.3", PORT))
    assert code is NOT_FOUND
    assert message.startswith("addr: no Service has 10.1.2.3,")


@pytest.mark.parametrize("authority", ["one.two", "www.fruit.test:80", "10.96.0.1:8080"])
async def test_o73_names_that_are_no_services_are_unknown(served: Served, authority: str) -> None:
    code, message = await served.refusal(authority=authority)
    assert code is NOT_FOUND
    assert message == f'authority: "{authority}" names no Service of this cluster'


async def test_an_address_of_no_service_is_unknown(served: Served) -> None:
    code, message = await served.refusal(addr=tcp_address("10.1.2.3", PORT))
    assert code is NOT_FOUND
    assert "10.1.2.3" in message


async def test_o74_o75_requests_that_mean_nothing(served: Served) -> None:
    noport, toohigh = tcp_address(IP, 0), tcp_address(IP, 65536)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("authority", {"authority": ":80"}),
        ("authority", {"authority": "a b"}),
        ("target: is required", {}),
        ("addr: port 0", {"addr": noport}),
        ("addr: port 65536", {"addr": toohigh}),
        ("addr: has no IP", {"addr": net_pb2.TcpAddress(port=80)}),
        ("invalid workload 'oops'", {"addr": tcp_address(IP, PORT), "token": "oops"}),
    ]
    for said, target in cases:
        code, message = await served.refusal(**target)
        assert code is INVALID
        assert said in message
    assert served.world.follow_count() == 0


@pytest.mark.parametrize(
    ("authority", "service", "port"),
    [
        ("pear.orchard.svc.cluster.local:8080", ("orchard", "pear"), 8080),
        ("pear.orchard.svc", ("orchard", "pear"), 80),
        ("pear.orchard.svc:", ("orchard", "pear"), 80),
        ("pear.orchard.svc.cluster.local.:1", ("orchard", "pear"), 1),
        ("pear.orchard.svc.cluster.local.cluster.local", ("orchard", "pear"), 80),
        ("pear.orchard.svc.elsewhere.test", ("orchard", "pear"), 80),
        ("me@pear.orchard.svc", ("orchard", "pear"), 80),
        ("Pear.Orchard.SVC", ("orchard", "pear"), 80),
        ("pear.orchard.svc.", ("orchard", "pear"), 80),
    ],
)
def test_authorities_of_services(authority: str, service: tuple[str, str], port: int) -> None:
    assert parse_service(authority) == (service, port)


@pytest.mark.parametrize(
    "authority",
    [
        *("pear-0.pear.orchard.svc.cluster.local", "www.fruit.test", "pear.orchard", "pear", "..."),
        *("svc.cluster.local", "pear.orchard.svcs"),
        *("q..svc:80", ".orchard.svc", "a_b.orchard.svc", "[::1]:80", "10.0.0.1", "cluster.local"),
    ],
)
def test_other_names_are_unknown(authority: str) -> None:
    with pytest.raises(UnknownTargetError):
        parse_service(authority)


@pytest.mark.parametrize(
    "authority",
    [
        *("", ":80", "a b", "a/b", "a?b", "a#b", "a%20b", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
        *("pear.orchard.svc:65536", "pear.orchard.svc:0", "pear.orchard.svc:-1", "a:b", "a:1:2"),
        *("pear.orchard.svc:" + "9" * 5_000, "[::1", "::1", "[x]:80"),
    ],
)
def test_what_is_no_authority(authority: str) -> None:
    with pytest.raises(AuthorityError) as error:
        parse_service(authority)
    assert len(str(error.value)) < 300


def test_a_long_authority_costs_no_more_than_its_length() -> None:
    def seconds(repeats: int) -> float:
        authority = "pear.orchard.svc" + f".{DOMAIN}" * repeats
        began = process_time()
        assert parse_service(authority) == (("orchard", "pear"), 80)
        return process_time() - began

    short, long = (min(seconds(repeats) for _ in range(5)) for repeats in (2_000, 64_000))
    assert long < 200 * short  # 32 times as long; 1,000 where it costs the square


PARTS: Final = ["pear", "fruit", "svc", ".", ":", "80", "@", "cluster.local", "[", "]", "-", "A"]


@settings(max_examples=300, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.text(max_size=20) | st.lists(st.sampled_from(PARTS), max_size=9).map("".join))
def test_whatever_authority_is_asked_for_is_answered_by_the_rules(authority: str) -> None:
    try:
        service, port = parse_service(authority)
    except (AuthorityError, UnknownTargetError):
        return
    world = World()
    stream = world.index.watch_service("fruit", service, port)
    (raw,) = iter(stream.poll, None)
    told = PolicyReader().take(raw)
    assert authorities_of(first_rule(told)) == [
        f"{service.name}.{service.namespace}.svc.{DOMAIN}:{port}"
    ]
