"""Machines outside the cluster as targets, and Servers that choose them. Ids of the catalogue: T30,
T39, T41, N28."""

import pytest
from structlog.testing import capture_logs

from linkerd.kube.objects import LabelSelector, Requirement
from services.destination.index import AmbiguousIpError, NotFoundError
from services.destination.model.http2 import Http2Params, KeepAlive
from tests.support.destination.ledger import (
    LEDGER,
    MACHINE,
    MACHINE_IP,
    follow,
    ledger,
    machine,
    open_stream,
)
from tests.support.destination.world import World
from tests.support.objects import (
    external_workload,
    pod,
    server,
)

OPAQUE = "config.linkerd.io/opaque-ports"
PARAMS = Http2Params(keep_alive=KeepAlive(while_idle=True))


class TestServers:
    def test_t41_a_server_makes_a_port_opaque(self) -> None:
        world = World()
        stream = open_stream(world, labels={"app": "ledger"}, ports={"wire": 8080})
        profile = world.profile(MACHINE)
        assert not profile.one().opaque_protocol
        for port in (8080, "wire"):
            chooser = server("s", port, selects=None, workloads={"app": "ledger"})
            world.apply(chooser)
            assert stream.read() == [f"add {MACHINE}"]
            assert stream.address(MACHINE).protocol_hint.WhichOneof("protocol") == "opaque"
            assert profile.one().opaque_protocol
            world.delete(chooser)
            assert stream.read() == [f"add {MACHINE}"]
            assert not profile.one().opaque_protocol

    def test_selectors_of_pods_do_not_choose_machines_nor_the_other_way_round(self) -> None:
        world = World()
        stream = open_stream(world)
        world.apply(pod("a", "fin", "10.4.0.7"))
        of_pod = world.profile("10.4.0.7:8080")
        of_pod.read()
        world.apply(server("s", 8080, selects={}))
        assert stream.read() == []
        of_pod.read()
        world.apply(server("s", 8080, selects=None, workloads={}))
        assert not of_pod.one().opaque_protocol

    def test_a_senseless_selector_is_told_and_spoils_nothing_else(self) -> None:
        world = World()
        stream = open_stream(world)
        odd = LabelSelector(match_expressions=(Requirement("app", "Near"),))
        with capture_logs() as logs:
            world.apply(server("s", 8080, selects=None, workloads=odd))
        assert "externalWorkloadSelector" in logs[0]["error"]
        assert stream.read() == []


class TestProfiles:
    def test_t30_by_ip_and_port(self) -> None:
        world = World(PARAMS)
        world.apply(
            external_workload("metal-1", "fin", MACHINE_IP, "fd00:0::40", owners=[("WG", "g")])
        )
        for path in (MACHINE, "[fd00::40]:8080"):
            said = world.profile(path).one()
            assert dict(said.endpoint.metric_labels) == {
                "external_workload": "metal-1",
                "wg": "g",  # Q19
                "zone": "",
                "namespace": "fin",
            }
            assert said.endpoint.protocol_hint.WhichOneof("protocol") == "h2"
            assert not said.endpoint.protocol_hint.HasField("opaque_transport")
            assert said.endpoint.HasField("http2")
            assert said.endpoint.HasField("tls_identity")
            assert not said.fully_qualified_name

    def test_a_port_that_it_does_not_declare_is_nobodys(self) -> None:
        world = World()
        world.apply(external_workload("metal-1", "fin", MACHINE_IP))
        stream = world.profile(f"{MACHINE_IP}:9999")
        assert not stream.one().HasField("endpoint")
        world.apply(external_workload("metal-1", "fin", MACHINE_IP, ports={"": 9999}))
        assert stream.one().HasField("endpoint")

    def test_t39_an_opaque_port(self) -> None:
        world = World()
        annotations = {OPAQUE: "wire,25"}
        ports = {"wire": 8080}
        world.apply(external_workload("m", "fin", MACHINE_IP, ports=ports, annotations=annotations))
        said = world.profile(MACHINE).one()
        assert said.opaque_protocol
        assert said.endpoint.protocol_hint.opaque_transport.inbound_port == 4143

    def test_it_comes_changes_and_goes(self) -> None:
        world = World()
        stream = world.profile(MACHINE)
        assert not stream.one().HasField("endpoint")
        metal = external_workload("metal-1", "fin", MACHINE_IP)
        world.apply(metal)
        assert stream.one().HasField("endpoint")
        world.apply(external_workload("metal-1", "fin", MACHINE_IP, annotations={OPAQUE: "8080"}))
        assert stream.one().opaque_protocol
        world.delete(metal)
        gone = stream.one()
        assert not gone.HasField("endpoint")
        assert not gone.opaque_protocol

    def test_pods_go_first(self) -> None:
        world = World()
        held = pod("a", "fin", MACHINE_IP)
        world.apply(external_workload("metal-1", "fin", MACHINE_IP), held)
        stream = world.profile(MACHINE)
        assert stream.one().endpoint.metric_labels["pod"] == "a"
        world.delete(held)
        assert stream.one().endpoint.metric_labels["external_workload"] == "metal-1"

    def test_two_machines_at_one_socket_are_no_answer(self) -> None:
        world = World()
        first, second = (external_workload(name, "fin", MACHINE_IP) for name in ("m1", "m2"))
        world.apply(first)
        stream = world.profile(MACHINE)
        stream.read()
        world.apply(second)
        assert stream.read() == []
        with pytest.raises(AmbiguousIpError, match="fin/m1, fin/m2"):
            world.profile(MACHINE)
        world.apply(external_workload("m1", "fin", MACHINE_IP, deleting=True))
        assert stream.one().endpoint.metric_labels["external_workload"] == "m2"

    def test_n28_an_instance_that_is_a_machine_is_not_found(self) -> None:
        world = World()
        world.apply(external_workload("metal-1", "fin", MACHINE_IP))
        follow(world, ledger(machine("metal-1", hostname="metal-1")))
        with pytest.raises(NotFoundError):
            world.profile(f"metal-1.{LEDGER}")
        assert world.get(f"metal-1.{LEDGER}").read() == [f"add {MACHINE}"]

    def test_nothing_is_kept_of_machines_that_nobody_asks_about(self) -> None:
        world = World()
        followed = [open_stream(world).subscription, world.profile(MACHINE).subscription]
        assert len(world.index.home.facts) == 1
        for subscription in followed:
            subscription.close()
        assert (len(world.index.home.facts), len(world.index.home.dependencies)) == (0, 0)
