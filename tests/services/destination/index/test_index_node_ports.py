"""Ports of nodes that lead to pods: protocol and address of the node belong to what they are known
by, and what is said of the pod's port holds behind them."""

from typing import Any, Final

import msgspec
import pytest

from linkerd.kube.objects import WorkloadPort
from linkerd.mesh.labels import OPAQUE_PORTS as OPAQUE
from linkerd.mesh.labels import SKIP_INBOUND_PORTS as SKIP
from services.destination.pods import ContainerPort
from tests.support.destination.world import World
from tests.support.objects import container, external_workload, pod, server

NODE: Final[dict[str, Any]] = {"host_ips": ("192.0.2.8", "192.0.2.9", "fd00:2::8")}
BOTH: Final = ("10.4.0.41", "fd00:4::41")


def mapped(protocol: str = "TCP", host_ip: str = "", *, own: int = 5353) -> ContainerPort:
    """Port 53 of the node."""
    return ContainerPort(own, host_port=53, host_ip=host_ip, protocol=protocol)


def holder(world: World, ip: str, port: int = 53) -> str:
    """The pod that is told at an IP of the node; nothing if none is."""
    profile = world.profile(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}").one()
    return profile.endpoint.metric_labels["pod"] if profile.HasField("endpoint") else ""


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("other", [mapped("UDP"), mapped("SCTP"), mapped("TCP", "192.0.2.9")])
def test_ports_that_pods_share_by_protocol_or_by_address(
    other: ContainerPort, order: tuple[int, int]
) -> None:
    world = World()
    pods = [
        pod(
            "a", "fin", "10.4.0.41", containers=[container("c", mapped("TCP", "192.0.2.8"))], **NODE
        ),
        pod("b", "fin", "10.4.0.42", containers=[container("c", other)], **NODE),
    ]
    for number in order:
        world.apply(pods[number])
        assert len(world.index.views) == 0
    assert holder(world, "192.0.2.8") == "a"
    assert holder(world, "192.0.2.9") == ("b" if other.protocol == "TCP" else "")


@pytest.mark.parametrize(
    ("port", "ips", "where"),
    [
        (mapped("UDP"), BOTH, ""),
        (mapped("TCP", "127.0.0.1"), BOTH, ""),
        (mapped("TCP", "::1"), BOTH, ""),
        (mapped("TCP", "no address"), BOTH, ""),
        (mapped("TCP", "198.51.100.1"), BOTH, ""),  # of whichever node has that, if any
        (mapped("TCP", "192.0.2.9"), BOTH, "192.0.2.9"),
        (mapped("TCP", "fd00:2:0::8"), BOTH, "fd00:2::8"),
        (mapped("TCP", "0.0.0.0"), BOTH, "192.0.2.8 192.0.2.9"),
        (mapped("TCP", "::"), BOTH, "fd00:2::8"),
        (mapped("TCP", ""), BOTH, "192.0.2.8 192.0.2.9 fd00:2::8"),
        (mapped("TCP", ""), BOTH[:1], "192.0.2.8 192.0.2.9"),
        (mapped("TCP", ""), BOTH[1:], "fd00:2::8"),
        (mapped("TCP", "::"), BOTH[:1], ""),
    ],
)
def test_at_which_addresses_a_port_of_the_node_leads_to_a_pod(
    port: ContainerPort, ips: tuple[str, ...], where: str
) -> None:
    world = World()
    world.apply(pod("a", "fin", *ips, containers=[container("c", port)], **NODE))
    for ip in (*NODE["host_ips"], "127.0.0.1", "::1", "198.51.100.1"):
        assert holder(world, ip) == ("a" if ip in where.split() else "")


def test_a_port_of_the_node_moves_to_another_port_of_the_pod() -> None:
    world = World(transport_header=True)

    def with_port(own: int) -> Any:
        marks = {SKIP: "5353"}
        ports = [container("c", mapped(own=own))]
        return pod("a", "fin", "10.4.0.41", containers=ports, annotations=marks, **NODE)

    world.apply(with_port(8080))
    stream = world.profile("192.0.2.8:53")
    endpoint = stream.one().endpoint
    assert endpoint.HasField("tls_identity")
    assert endpoint.protocol_hint.HasField("h2")
    assert not endpoint.protocol_hint.HasField("opaque_transport")  # that port is not the pod's
    world.apply(with_port(5353))
    endpoint = stream.one().endpoint
    assert not endpoint.HasField("tls_identity")
    assert not endpoint.HasField("protocol_hint")


@pytest.mark.parametrize(
    ("marks", "rule", "opaque"),
    [
        ({}, None, False),
        ({OPAQUE: "5353"}, None, True),
        ({OPAQUE: "53"}, None, False),  # what the node calls it
        ({}, server("s", 5353, selects={}), True),
        ({}, server("s", 53, selects={}), False),
    ],
)
def test_the_pods_protocols_hold_behind_the_nodes_port(
    marks: dict[str, str], rule: Any, *, opaque: bool
) -> None:
    """On an opaque port a proxy ends no TLS but what comes through its own port."""
    world = World()
    ports = [container("c", mapped())]
    world.apply(pod("a", "fin", "10.4.0.41", containers=ports, annotations=marks, **NODE))
    if rule is not None:
        world.apply(rule)
    profile = world.profile("192.0.2.8:53").one()
    assert profile.opaque_protocol is opaque
    assert profile.endpoint.HasField("tls_identity") is not opaque
    assert profile.endpoint.HasField("protocol_hint") is not opaque
    assert profile.endpoint.addr.port == 53


@pytest.mark.parametrize(("node", "own", "opaque"), [(3306, 80, False), (80, 3306, True)])
def test_ports_that_are_opaque_by_default_are_the_pods(
    node: int, own: int, *, opaque: bool
) -> None:
    world = World()
    port = ContainerPort(own, host_port=node)
    world.apply(pod("a", "fin", "10.4.0.41", containers=[container("c", port)], **NODE))
    assert world.profile(f"192.0.2.8:{node}").one().opaque_protocol is opaque
    assert world.profile(f"10.4.0.41:{own}").one().opaque_protocol is opaque


def test_udp_ports_of_machines_are_not_told() -> None:
    world = World()
    machine = external_workload("m", "fin", "192.0.2.40", ports={"dns": 53})
    udp = WorkloadPort(53, "dns", protocol="UDP")
    spec = msgspec.structs.replace(machine.spec, ports=(udp,))
    world.apply(msgspec.structs.replace(machine, spec=spec))
    stream = world.profile("192.0.2.40:53")
    assert not stream.one().HasField("endpoint")
    world.apply(machine)
    assert stream.one().endpoint.metric_labels["external_workload"] == "m"
