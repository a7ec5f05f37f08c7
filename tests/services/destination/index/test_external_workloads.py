"""Machines outside the cluster as endpoints. Ids of the catalogue: T64 to T69, T118, T122, T127,
N5."""

import msgspec
import pytest
from structlog.testing import capture_logs

from services.destination.index import Kind
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
    endpoint,
    endpoint_slice,
    external_workload,
    node,
    service,
)

OPAQUE = "config.linkerd.io/opaque-ports"
PARAMS = Http2Params(keep_alive=KeepAlive(while_idle=True))


class TestSets:
    def test_t64_an_add_and_a_remove_are_a_message_each(self) -> None:
        world = World()
        every = [external_workload(f"m{n}", "fin", f"192.0.2.{n}") for n in (1, 2)]
        both = ledger(*(machine(f"m{n}", f"192.0.2.{n}") for n in (1, 2)))
        stream = follow(world, *every, both)
        assert stream.read() == ["add 192.0.2.1:8080 192.0.2.2:8080"]
        world.apply(ledger(machine("m1", "192.0.2.1")))
        assert stream.read() == ["remove 192.0.2.2:8080"]

    def test_a_slice_that_had_no_type_of_addresses(self) -> None:
        world = World()
        good = ledger(machine("metal-1"))
        bad = msgspec.structs.replace(good, address_type="")
        stream = follow(world, external_workload("metal-1", "fin", MACHINE_IP), bad)
        assert stream.read() == ["no_endpoints"]
        world.apply(good)
        assert stream.read() == [f"add {MACHINE}"]

    def test_t118_a_machine_that_comes_late_is_added_without_an_event_of_its_slice(self) -> None:
        world = World()
        stream = follow(world, ledger(machine("metal-1"), endpoint("192.0.2.9")))
        assert stream.read() == ["add 192.0.2.9:8080"]
        metal = external_workload("metal-1", "fin", MACHINE_IP)
        world.apply(metal)
        assert stream.read() == [f"add {MACHINE}"]
        world.delete(metal)
        assert stream.read() == [f"remove {MACHINE}"]

    def test_t118_a_slice_of_no_service_is_ignored(self) -> None:
        world = World()
        stray = endpoint_slice("stray", None, machine("metal-1"))
        stream = follow(world, external_workload("metal-1", "fin", MACHINE_IP), stray)
        assert stream.read() == ["no_endpoints"]

    def test_t118_no_family_of_a_machine_is_dropped(self) -> None:
        """Unlike those of pods: IPv6 being off is about the cluster's own network."""
        world = World(ipv6=False)
        metal = external_workload("metal-1", "fin", MACHINE_IP, "fd00::40")
        stream = follow(world, metal, ledger(machine("metal-1", "fd00::40")))
        assert stream.read() == ["add [fd00::40]:8080"]

    def test_n5_both_families_of_one_machine_are_endpoints(self) -> None:
        world = World()
        metal = external_workload("metal-1", "fin", MACHINE_IP, "fd00::40")
        sixth = ledger(machine("metal-1", "fd00::40"), name="ledger-6")
        stream = follow(world, metal, ledger(machine("metal-1")), sixth)
        assert stream.read() == [f"add {MACHINE} [fd00::40]:8080"]
        world.delete(sixth)
        assert stream.read() == ["remove [fd00::40]:8080"]

    def test_t122_slices_go_one_by_one(self) -> None:
        world = World()
        every = [external_workload(f"m{n}", "fin", f"192.0.2.{n}") for n in (1, 2)]
        first, second = (
            ledger(machine(f"m{n}", f"192.0.2.{n}"), name=f"ledger-{n}") for n in (1, 2)
        )
        stream = follow(world, *every, first, second)
        stream.read()
        world.delete(*every)  # what is told to go is what was told to be there
        assert stream.read() == ["remove 192.0.2.1:8080 192.0.2.2:8080"]
        world.apply(*every)
        stream.read()
        world.delete(first)
        assert stream.read() == ["remove 192.0.2.1:8080"]
        world.delete(second)
        assert stream.read() == ["remove 192.0.2.2:8080"]

    def test_t127_readiness(self) -> None:
        world = World()
        stream = open_stream(world)
        world.apply(ledger(machine("metal-1", ready=False)))
        assert stream.read() == [f"remove {MACHINE}"]
        world.apply(ledger(machine("metal-1", ready=True)))
        assert stream.read() == [f"add {MACHINE}"]

    def test_a_machine_of_another_namespace_is_not_meant(self) -> None:
        world = World()
        elsewhere = machine("metal-1", namespace="ops")
        stream = follow(world, external_workload("metal-1", "ops", MACHINE_IP), ledger(elsewhere))
        assert stream.read() == ["no_endpoints"]

    def test_a_machine_is_on_no_node(self) -> None:
        world = World()
        world.apply(external_workload("metal-1", "fin", MACHINE_IP), ledger(machine("metal-1")))
        world.apply(service("ledger", local=True))
        assert world.get(LEDGER, node="n1").read() == ["no_endpoints"]


class TestDescription:
    def test_t65_labels(self) -> None:
        world = World()
        world.apply(node("n1", "z1"), kind=Kind.NODE)
        world.apply(
            service("ledger"),
            external_workload("metal-1", "fin", MACHINE_IP, owners=[("WorkloadGroup", "metal")]),
            ledger(machine("metal-1", zone="z1")),
        )
        stream = world.get(LEDGER, node="n1")
        stream.read()
        assert dict(stream.address(MACHINE).metric_labels) == {
            "external_workload": "metal-1",
            "workloadgroup": "metal",
            "zone": "z1",
            "zone_locality": "local",
        }

    def test_of_several_owners_none_is_told(self) -> None:
        owners = [("WorkloadGroup", "metal"), ("WorkloadGroup", "wood")]
        labels = open_stream(World(), owners=owners).address(MACHINE).metric_labels
        assert set(labels) == {"external_workload", "zone", "zone_locality"}

    def test_t66_identity(self) -> None:
        name = "spiffe://trust.mesh.test/metal-1"
        stream = open_stream(World(), identity=name, server_name="metal-1.mesh.test")
        said = stream.address(MACHINE).tls_identity
        assert said.uri_like_identity.uri == name
        assert said.server_name.name == "metal-1.mesh.test"

    def test_an_identity_that_is_a_dns_name_is_told_as_one(self) -> None:
        """Proxies would speak plain text to a URI that is none."""
        said = open_stream(World(), identity="metal-1.mesh.test").address(MACHINE).tls_identity
        assert said.dns_like_identity.name == "metal-1.mesh.test"
        assert said.server_name.name == "metal.mesh.test"

    def test_t67_an_opaque_port(self) -> None:
        ports = {"": 8080, "linkerd-proxy": 7143}
        said = open_stream(World(), ports=ports, annotations={OPAQUE: "8080"}).address(MACHINE)
        assert said.protocol_hint.WhichOneof("protocol") == "opaque"
        assert said.protocol_hint.opaque_transport.inbound_port == 7143

    @pytest.mark.parametrize(
        ("ports", "inbound"), [({"": 8080}, 4143), ({"linkerd-proxy": 7143}, 7143)]
    )
    def test_t68_t69_forced_opaque_transport(self, ports: dict[str, int], inbound: int) -> None:
        world = World(PARAMS, transport_header=True, h2_upgrade=False)
        said = open_stream(world, ports=ports).address(MACHINE)
        assert said.protocol_hint.WhichOneof("protocol") == "h2"
        assert said.protocol_hint.opaque_transport.inbound_port == inbound
        assert said.HasField("http2")

    def test_a_change_is_told_and_a_version_is_not(self) -> None:
        world = World()
        stream = open_stream(world)
        world.apply(external_workload("metal-1", "fin", MACHINE_IP))
        assert stream.read() == []
        world.apply(external_workload("metal-1", "fin", MACHINE_IP, identity="spiffe://x/new"))
        assert stream.read() == [f"add {MACHINE}"]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"identity": "no uri"},
            {"identity": ""},
            {"server_name": ""},
            {"server_name": "Two Words"},
            {"ports": {"": 8080, "linkerd-proxy": 65535}},
        ],
    )
    def test_a_machine_that_proxies_would_reach_in_plain_text_is_left_out(
        self, wrong: dict[str, object]
    ) -> None:
        world = World()
        metal = external_workload("metal-1", "fin", MACHINE_IP, **wrong)  # type: ignore[arg-type]  # passes on
        with capture_logs() as logs:
            assert follow(world, metal, ledger(machine("metal-1"))).read() == ["no_endpoints"]
        (said,) = logs
        assert (said["kind"], said["name"]) == ("ExternalWorkload", "metal-1")
        with capture_logs():
            profile = world.profile(MACHINE).one()
        assert profile.endpoint.metric_labels["external_workload"] == "metal-1"
        assert not profile.endpoint.HasField("tls_identity")
