"""Which endpoints a service's port has where Endpoints are read instead of slices. Ids of the
catalogue: T100 to T109, T119, T123 to T126, T136 to T142."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from services.destination.index import NotFoundError, NotServableError
from tests.support.destination.world import EndpointStream, World
from tests.support.objects import (
    endpoint_address,
    endpoints,
    external_workload,
    pod,
    server,
    service,
    subset,
)

LEDGER = "ledger.fin.svc.mesh.test:8989"
PORTS = {"": 8989}


def pods(*names: str) -> list[Any]:
    return [pod(name, "fin", f"10.4.0.{number}") for number, name in enumerate(names, 1)]


def backed(*names: str, **more: Any) -> list[Any]:
    return [
        endpoint_address(f"10.4.0.{number}", pod=name, **more)
        for number, name in enumerate(names, 1)
    ]


def listed(*addresses: Any, ports: dict[str, int] | None = None, **more: Any) -> Any:
    only = subset(*addresses, ports=PORTS if ports is None else ports)
    return endpoints("ledger", only, **more)


def follow(world: World, *objects: Any) -> EndpointStream:
    world.apply(service("ledger", ports=PORTS), *objects)
    return world.get(LEDGER)


def test_t100_pods_and_a_bare_address() -> None:
    every = (*backed("a", "b", "c"), endpoint_address("192.0.2.9"))
    stream = follow(World(), *pods("a", "b", "c"), listed(*every))
    said = "add 10.4.0.1:8989 10.4.0.2:8989 10.4.0.3:8989 192.0.2.9:8989"
    assert stream.read() == [said]
    assert stream.reader.labels == {"namespace": "fin", "service": "ledger"}


@pytest.mark.parametrize("name", ["", "web"])
def test_t101_t102_the_name_of_the_service_port_counts(name: str) -> None:
    world = World()
    world.apply(
        service("ledger", ports={name: 80}, type="NodePort"),
        listed(endpoint_address("192.0.2.9"), ports={name: 8989, "http-alt": 1}),
    )
    assert world.get("ledger.fin.svc.mesh.test").read() == ["add 192.0.2.9:8989"]


def test_t103_a_pod_that_comes_late_is_added_without_an_event_of_its_endpoints() -> None:
    world = World()
    stream = follow(world, listed(*backed("a", "b")), *pods("a"))
    assert stream.read() == ["add 10.4.0.1:8989"]
    world.apply(*pods("a", "b"))
    assert stream.read() == ["add 10.4.0.2:8989"]


def test_t104_a_service_without_an_endpoints_object_is_said_to_be_empty() -> None:
    assert follow(World()).read() == ["no_endpoints"]


def test_t105_t106_external_names_and_no_service() -> None:
    world = World()
    world.apply(service("ledger", type="ExternalName"))
    with pytest.raises(NotServableError):
        world.get(LEDGER)
    with pytest.raises(NotFoundError):
        world.get("nobody.fin.svc.mesh.test")


def test_t107_hostname_of_one_pod() -> None:
    world = World()
    both = [
        endpoint_address(f"10.4.0.{n}", pod=f"vault-{n}", hostname=f"vault-{n}") for n in (1, 2)
    ]
    world.apply(service("vault", ports={}), *pods("vault-1", "vault-2"))
    world.apply(endpoints("vault", subset(*both)))
    assert world.get("vault-2.vault.fin.svc.mesh.test:5000").read() == ["add 10.4.0.2:5000"]
    profile = world.profile("vault-2.vault.fin.svc.mesh.test:5000").one()
    assert profile.endpoint.metric_labels["pod"] == "vault-2"


def test_t108_subsets_whose_ports_are_named_otherwise_do_not_count() -> None:
    world = World()
    old, new = (subset(endpoint_address(f"192.0.2.{n}"), ports={f"p{n}": 8000 + n}) for n in (1, 2))
    world.apply(service("ledger", ports={"p1": 8989}), endpoints("ledger", old, new))
    stream = world.get(LEDGER)
    assert stream.read() == ["add 192.0.2.1:8001"]
    world.apply(service("ledger", ports={"p2": 8989}))
    assert stream.read() == ["add 192.0.2.2:8002", "remove 192.0.2.1:8001"]


def test_t109_servers_of_other_namespaces_do_not_count() -> None:
    world = World()
    stream = follow(world, *pods("a"), listed(*backed("a")))
    stream.read()
    world.apply(server("s", 8989, namespace="ops", selects={}))
    assert stream.read() == []
    world.apply(server("s", 8989, selects={}))
    assert stream.read() == ["add 10.4.0.1:8989"]


def test_t119_the_object_goes() -> None:
    world = World()
    every = listed(*backed("a", "b"))
    stream = follow(world, *pods("a", "b"), every)
    for tell, gone in ((world.delete, every), (world.apply, endpoints("ledger"))):
        assert stream.read() == ["add 10.4.0.1:8989 10.4.0.2:8989"]
        tell(gone)
        assert stream.read() == ["remove 10.4.0.1:8989 10.4.0.2:8989"]
        world.apply(every)


def test_t123_t124_a_pod_is_told_again_when_something_about_it_changed() -> None:
    world = World()
    stream = follow(world, *pods("a"), listed(*backed("a")))
    stream.read()
    world.apply(listed(*backed("a")))
    assert stream.read() == []
    world.apply(pod("a", "fin", "10.4.0.1", account="other"), listed(*backed("a")))
    assert stream.read() == ["add 10.4.0.1:8989"]


def test_t125_endpoints_are_removed_although_their_pods_are_gone() -> None:
    world = World()
    stream = follow(world, *pods("a"), listed(*backed("a")))
    stream.read()
    world.delete(*pods("a"))
    world.apply(endpoints("ledger"))
    assert stream.read() == ["remove 10.4.0.1:8989"]


def test_t126_addresses_that_are_not_ready_are_not_listed() -> None:
    world = World()
    stream = follow(world, *pods("a", "b"), listed(*backed("a", "b")))
    stream.read()
    world.apply(
        listed(*backed("a"))
    )  # the other one is among notReadyAddresses, which are not read
    assert stream.read() == ["remove 10.4.0.2:8989"]


def test_addresses_have_no_family() -> None:
    """Endpoints do not say which they are of, and none is dropped for it."""
    sixth = endpoint_address("fd00:4::1", pod="a")
    assert follow(World(), *pods("a"), listed(sixth)).read() == ["add [fd00:4::1]:8989"]


def test_machines_are_no_targets_of_endpoints() -> None:
    metal = endpoint_address("192.0.2.40", pod=("ExternalWorkload", "m"))
    world = World()
    stream = follow(world, external_workload("m", "fin", "192.0.2.40"), listed(metal))
    assert stream.read() == ["no_endpoints"]


def test_two_subsets_may_list_one_socket() -> None:
    world = World()
    stream = follow(
        world, *pods("a"), endpoints("ledger", *([subset(*backed("a"), ports=PORTS)] * 2))
    )
    assert stream.read() == ["add 10.4.0.1:8989"]
    world.apply(listed(*backed("a")))
    assert stream.read() == []


def test_what_is_wrong_is_said_of_the_endpoints() -> None:
    with capture_logs() as logs:
        follow(World(), listed(endpoint_address("banana"))).read()
    (said,) = logs
    assert (said["kind"], said["name"]) == ("Endpoints", "ledger")
    assert said["error"].startswith("subsets[0].addresses: 'banana'")


class TestMirrors:
    """Services that stand for those of another cluster, behind its gateway."""

    def gateway(self, **annotations: str) -> Any:
        return listed(
            endpoint_address("192.0.2.127"),
            ports={"": 4143},
            labels={"mirror.linkerd.io/cluster-name": "north"},
            annotations={
                f"mirror.linkerd.io/{k.replace('_', '-')}": v for k, v in annotations.items()
            },
        )

    def test_t136_t139_the_gateway_is_told_and_what_to_ask_it_for(self) -> None:
        world = World()
        marks = {"remote_gateway_identity": "gw.north.test"}
        name = "ledger.fin.svc.north.test"
        stream = follow(world, self.gateway(remote_svc_fq_name=name, **marks))
        stream.read()
        said = stream.address("192.0.2.127:4143")
        assert said.tls_identity.dns_like_identity.name == "gw.north.test"
        assert said.authority_override.authority_override == f"{name}:8989"
        assert said.protocol_hint.WhichOneof("protocol") == "h2"
        assert stream.reader.labels["target_cluster"] == "north"
        assert stream.reader.labels["target_service"] == "ledger"

    @pytest.mark.parametrize("marks", [{}, {"remote_gateway_identity": ""}])
    def test_t138_t140_a_gateway_without_identity(self, marks: dict[str, str]) -> None:
        world = World()
        stream = follow(world, self.gateway(**marks))
        stream.read()
        said = stream.address("192.0.2.127:4143")
        assert not said.HasField("tls_identity")
        assert not said.HasField("protocol_hint")

    def test_t141_t142_the_gateways_identity_changes(self) -> None:
        world = World()
        stream = follow(world, self.gateway(remote_gateway_identity="gw.north.test"))
        stream.read()
        world.apply(self.gateway(remote_gateway_identity="gw.north.test"))
        assert stream.read() == []
        world.apply(self.gateway(remote_gateway_identity="gw2.north.test"))
        assert stream.read() == ["add 192.0.2.127:4143"]
