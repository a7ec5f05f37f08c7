"""Servers that make ports opaque, and objects that are malformed. Ids of the catalogue: T9, T10,
T109, N18."""

import pytest
from structlog.testing import capture_logs

from linkerd.kube.objects import LabelSelector, Requirement
from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.model.http2 import Http2Params, KeepAlive
from tests.support.destination.world import EndpointStream, World
from tests.support.objects import (
    container,
    endpoint,
    endpoint_slice,
    pod,
    proxy,
    server,
    service,
)

PARAMS = Http2Params(keep_alive=KeepAlive(while_idle=True))
IP = "10.4.0.7"


def open_stream(world: World, subject: object, port: int = 8080) -> EndpointStream:
    world.apply(
        service("ledger", ports={"": port}),
        subject,
        endpoint_slice("ledger-1", "ledger", endpoint(IP, pod="a"), ports={"": port}),
    )
    stream = world.get(f"ledger.fin.svc.mesh.test:{port}")
    stream.read()
    return stream


def hint(said: pb.WeightedAddr) -> tuple[str | None, int]:
    """Protocol and inbound port (0: none)."""
    assert said.HasField("protocol_hint")
    return said.protocol_hint.WhichOneof("protocol"), (
        said.protocol_hint.opaque_transport.inbound_port
    )


@pytest.mark.parametrize("port", [4040, "wire"])
@pytest.mark.parametrize("sidecar", [True, False])
def test_t9_t10_a_server_makes_a_port_opaque(port: int | str, *, sidecar: bool) -> None:
    world = World()
    wire = container(wire=4040)
    subject = pod(
        "a",
        "fin",
        IP,
        labels={"app": "ledger"},
        containers=[wire] if sidecar else [wire, proxy()],
        init_containers=[proxy()] if sidecar else [],
    )
    world.apply(server("s1", port, selects={"app": "ledger"}))
    stream = open_stream(world, subject, 4040)
    assert hint(stream.address(f"{IP}:4040")) == ("opaque", 4143)
    world.apply(server("s1", port, selects={"app": "nothing"}))
    assert stream.read() == [f"add {IP}:4040"]
    assert hint(stream.address(f"{IP}:4040")) == ("h2", 0)
    world.apply(server("s1", port, selects={"app": "ledger"}))
    assert stream.read() == [f"add {IP}:4040"]
    assert hint(stream.address(f"{IP}:4040")) == ("opaque", 4143)


def test_n18_of_two_servers_one_is_enough() -> None:
    world = World()
    stream = open_stream(world, pod("a", "fin", IP))
    first, second = server("s1", 8080, selects={}), server("s2", 8080, selects={})
    world.apply(first, second)
    assert stream.read() == [f"add {IP}:8080"]
    world.delete(first)
    assert stream.read() == []
    world.apply(server("s2", 8080, selects={}, protocol="HTTP/1"))
    assert stream.read() == [f"add {IP}:8080"]
    assert hint(stream.address(f"{IP}:8080")) == ("h2", 0)


def test_t109_servers_of_other_namespaces_and_without_selector_do_not_count() -> None:
    world = World()
    stream = open_stream(world, pod("a", "fin", IP))
    world.apply(server("s1", 8080, namespace="ops", selects={}), server("s2", 8080, selects=None))
    assert stream.read() == []


def test_a_server_with_a_senseless_selector_is_reported_and_ignored() -> None:
    world = World()
    senseless = LabelSelector(match_expressions=(Requirement("app", "Near"),))
    with capture_logs() as logs:
        world.apply(server("s1", 8080, selects=senseless))
        stream = open_stream(world, pod("a", "fin", IP))
        world.apply(pod("a", "fin", IP, account="other"))
    assert [(entry["kind"], entry["name"]) for entry in logs] == [("Server", "s1")]
    assert hint(stream.address(f"{IP}:8080")) == ("h2", 0)


def test_opaque_ports_banana_is_reported_once_and_the_rest_counts() -> None:
    world = World()
    annotations = {"config.linkerd.io/opaque-ports": "banana,8080"}
    with capture_logs() as logs:
        stream = open_stream(world, pod("a", "fin", IP, annotations=annotations))
        world.apply(pod("a", "fin", IP, annotations=annotations, account="other"))
        stream.read()
    assert hint(stream.address(f"{IP}:8080")) == ("opaque", 4143)
    assert len(logs) == 1
    assert "banana" in logs[0]["error"]


def test_a_slice_without_ports_is_reported_once_and_disturbs_nobody() -> None:
    world = World()
    with capture_logs() as logs:
        stream = open_stream(world, pod("a", "fin", IP))
        for _ in range(3):
            world.apply(endpoint_slice("bad", "ledger", endpoint("192.0.2.1"), ports={}))
    assert stream.sockets == {f"{IP}:8080"}
    assert [entry["name"] for entry in logs] == ["bad"]


@pytest.mark.parametrize("ports", [{"": None}, {"": 0}, {"": 70000}, {"": -1}, {"x": 80}])
def test_a_slice_whose_port_is_no_port(ports: dict[str, int | None]) -> None:
    world = World()
    stream = open_stream(world, pod("a", "fin", IP))
    world.apply(endpoint_slice("bad", "ledger", endpoint("192.0.2.1"), ports=ports))
    assert stream.read() == []


@pytest.mark.parametrize("ip", ["", "example.org", "10.0.0.256", "fe80::1%eth0", "\0"])
def test_an_address_that_is_no_ip_is_skipped(ip: str) -> None:
    world = World()
    stream = open_stream(world, pod("a", "fin", IP))
    world.apply(endpoint_slice("odd", "ledger", endpoint(ip, "192.0.2.1"), endpoint(ip, pod="a")))
    assert stream.read() == ["add 192.0.2.1:8080"]


def test_targets_that_are_no_pods_are_left_out() -> None:
    world = World()
    stream = open_stream(world, pod("a", "fin", IP))
    world.apply(endpoint_slice("odd", "ledger", endpoint("192.0.2.1", pod=("Node", "n1"))))
    assert stream.read() == []
