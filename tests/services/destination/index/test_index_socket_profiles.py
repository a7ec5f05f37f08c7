"""Profiles of IPs: pods, ports of nodes, nobody. Ids of the catalogue: T26 to T34, T38, T40, T42 to
T47, T151 to T153, N19 to N21, N24."""

import pytest

from services.destination.index import AmbiguousIpError
from services.destination.model.http2 import Http2Params, KeepAlive
from tests.support.destination.world import ProfileStream, World
from tests.support.objects import container, pod, server

OPAQUE = "config.linkerd.io/opaque-ports"
SKIP = "config.linkerd.io/skip-inbound-ports"
PARAMS = Http2Params(keep_alive=KeepAlive(while_idle=True))
FQN = "ledger.fin.svc.mesh.test"


def with_pod(**more: object) -> World:
    world = World(PARAMS)
    world.apply(pod("a", "fin", "10.4.0.20", "fd00:4::20", **more))  # type: ignore[arg-type]  # passes on
    return world


@pytest.mark.parametrize("path", ["10.4.0.20:5000", "[fd00:4::20]:5000"])
def test_t26_t27_a_pod_by_each_ip(path: str) -> None:
    profile = with_pod().profile(path).one()
    endpoint_ = profile.endpoint
    assert endpoint_.metric_labels["pod"] == "a"
    assert endpoint_.metric_labels["namespace"] == "fin"
    assert "zone_locality" not in endpoint_.metric_labels
    assert endpoint_.addr.port == 5000
    assert endpoint_.addr.ip.WhichOneof("ip") == ("ipv6" if "[" in path else "ipv4")
    assert endpoint_.protocol_hint.WhichOneof("protocol") == "h2"
    assert not endpoint_.protocol_hint.HasField("opaque_transport")
    assert endpoint_.HasField("http2")
    assert endpoint_.HasField("tls_identity")
    assert not profile.fully_qualified_name
    assert not profile.HasField("parent_ref")


def test_t28_t29_a_pod_that_starts_to_run() -> None:
    world = with_pod(phase="Pending")
    stream = world.profile("10.4.0.20:5000")
    first = stream.one()
    assert first.HasField("endpoint")
    assert not first.endpoint.HasField("tls_identity")
    assert not first.endpoint.metric_labels
    world.apply(pod("a", "fin", "10.4.0.20"))
    assert stream.one().endpoint.HasField("tls_identity")


def test_t31_t42_t43_an_ip_that_nobody_has() -> None:
    world = World()
    for port, opaque in ((80, False), (3306, True)):
        profile = world.profile(f"198.51.100.9:{port}").one()
        assert not profile.HasField("endpoint")
        assert profile.opaque_protocol is opaque
        assert profile.HasField("retry_budget")


def test_t32_t33_t34_unmeshed_pods() -> None:
    world = with_pod(meshed=False, annotations={OPAQUE: "5672"})
    opaque = world.profile("10.4.0.20:5672").one()
    assert opaque.opaque_protocol
    clear = world.profile("10.4.0.20:80").one()
    assert not clear.opaque_protocol
    for profile in (opaque, clear):
        assert profile.HasField("endpoint")
        assert not profile.endpoint.HasField("protocol_hint")
        assert not profile.endpoint.HasField("http2")
    assert with_pod(meshed=False).profile("10.4.0.20:3306").one().opaque_protocol


def test_t38_a_port_that_the_proxy_does_not_see() -> None:
    endpoint_ = with_pod(annotations={SKIP: "5000"}).profile("10.4.0.20:5000").one().endpoint
    assert endpoint_.metric_labels["pod"] == "a"
    assert not endpoint_.HasField("tls_identity")
    assert not endpoint_.HasField("protocol_hint")


def test_t40_q8_a_server_makes_it_opaque_and_clear_again() -> None:
    world = with_pod()
    stream = world.profile("10.4.0.20:5000")
    assert not stream.one().opaque_protocol
    rule = server("s", 5000, selects={})
    world.apply(rule)
    assert stream.one().opaque_protocol
    world.delete(rule)
    assert not stream.one().opaque_protocol


def host_pod(name: str, host_port: int = 7711, **more: object) -> object:
    ip = {"hp-1": "10.4.0.41", "hp-2": "10.4.0.42"}[name]
    web = container(web=(80, host_port))
    return pod(name, "fin", ip, host_ip="192.0.2.8", containers=[web], meshed=False, **more)  # type: ignore[arg-type]  # passes on


def test_t44_to_t47_a_port_of_a_node() -> None:
    world = World()
    world.apply(host_pod("hp-1"))
    stream = world.profile("192.0.2.8:7711")
    first = stream.one().endpoint
    assert first.metric_labels["pod"] == "hp-1"
    assert (first.addr.ip.ipv4, first.addr.port) == (0xC0000208, 7711)
    world.delete(host_pod("hp-1"))
    assert "pod" not in stream.one().endpoint.metric_labels
    world.apply(host_pod("hp-2"))
    third = stream.one()
    assert third.endpoint.metric_labels["pod"] == "hp-2"
    assert not third.opaque_protocol
    world.apply(server("s", "web", selects={}))
    assert stream.one().opaque_protocol


def test_t151_t152_ports_of_a_node_by_container() -> None:
    world = World()
    first, second = container(x=(1, 11)), container("b", y=(2, 12))
    subject = pod(
        "a",
        "fin",
        "10.4.0.1",
        host_ip="192.0.2.8",
        init_containers=[container("c", z=(3, 13))],
        containers=[first, second],
    )
    world.apply(subject)
    for port in (11, 12, 13):
        assert world.profile(f"192.0.2.8:{port}").one().endpoint.metric_labels["pod"] == "a"
    assert not world.profile("192.0.2.8:14").one().HasField("endpoint")


def test_a_pod_on_its_nodes_network_is_found_by_its_ports_only() -> None:
    world = World()
    subject = pod(
        "a",
        "fin",
        "192.0.2.8",
        host_network=True,
        host_ip="192.0.2.8",
        containers=[container(x=(53, 53))],
    )
    world.apply(subject)
    assert world.profile("192.0.2.8:53").one().endpoint.metric_labels["pod"] == "a"
    assert not world.profile("192.0.2.8:54").one().HasField("endpoint")


def test_t153_n20_two_pods_with_one_ip_are_no_answer_and_disturb_no_stream() -> None:
    world = with_pod()
    stream = world.profile("10.4.0.20:5000")
    stream.read()
    twin = pod("b", "fin", "10.4.0.20")
    world.apply(twin)
    assert stream.read() == []
    for port in (5000, 5001):  # whether anybody else knew better times or not
        with pytest.raises(AmbiguousIpError, match="fin/a, fin/b"):
            world.profile(f"10.4.0.20:{port}")
    assert len(world.index.views) == 1
    world.delete(pod("a"))
    assert stream.one().endpoint.metric_labels["pod"] == "b"
    world.profile("10.4.0.20:5000").subscription.close()
    stream.subscription.close()
    assert not len(world.index.home.dependencies)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_n21_pods_that_have_ended_do_not_count(phase: str) -> None:
    world = with_pod()
    world.apply(pod("done", "fin", "10.4.0.20", phase=phase))
    assert world.profile("10.4.0.20:5000").one().endpoint.metric_labels["pod"] == "a"


def test_n19_an_ip_that_is_handed_on() -> None:
    world = with_pod(account="first")
    stream = world.profile("10.4.0.20:5000")
    stream.read()
    leaving = pod("a", "fin", "10.4.0.20", account="first", deleting=True)
    world.apply(leaving)
    assert stream.read() == []  # it still answers there
    world.apply(pod("b", "fin", "10.4.0.20", account="second"))
    profile = stream.one()
    assert profile.endpoint.metric_labels["pod"] == "b"
    assert profile.endpoint.tls_identity.server_name.name.startswith("second.")
    world.delete(leaving)
    assert stream.read() == []


def test_q5_a_pod_whose_proxy_is_unclear_is_told_without_hint() -> None:
    profile = with_pod(init_containers=[]).profile("10.4.0.20:5000").one()
    assert profile.endpoint.metric_labels["pod"] == "a"
    assert not profile.endpoint.HasField("protocol_hint")


def test_q7_a_stream_on_a_port_that_the_pod_does_not_declare_is_updated_too() -> None:
    world = with_pod()
    stream = world.profile("10.4.0.20:12345")
    stream.read()
    world.apply(pod("a", "fin", "10.4.0.20", account="other"))
    assert stream.one().endpoint.metric_labels["serviceaccount"] == "other"


def test_n24_a_thousand_streams_on_one_ip_are_one_lookup() -> None:
    world = with_pod()
    streams: list[ProfileStream] = [world.profile("10.4.0.20:5000") for _ in range(1_000)]
    assert len(world.index.views) == 1
    assert len({id(stream.subscription.poll()) for stream in streams}) == 1
