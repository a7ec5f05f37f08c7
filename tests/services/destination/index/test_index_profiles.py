"""Profiles of services, and of pods by hostname. Ids of the catalogue: T19, T23 to T25, T35 to T37,
T51, T143 to T148, N9, N17, N28."""

import pytest

from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.index import AmbiguousIpError, NotFoundError, NotServableError
from services.destination.model.http2 import Http2Params, KeepAlive
from tests.support.destination.world import World
from tests.support.objects import endpoint, endpoint_slice, pod, service

OPAQUE = "config.linkerd.io/opaque-ports"
SKIP = "config.linkerd.io/skip-inbound-ports"
PARAMS = Http2Params(keep_alive=KeepAlive(while_idle=True))
FQN = "ledger.fin.svc.mesh.test"


def with_service(**more: object) -> World:
    world = World()
    world.apply(service("ledger", "fin", "10.96.3.3", "fd00:96::3", **more))  # type: ignore[arg-type]  # passes on
    return world


@pytest.mark.parametrize("path", [f"{FQN}:8080", "10.96.3.3:8080", "[fd00:96::3]:8080"])
def test_t23_t24_a_service_by_name_and_by_each_ip(path: str) -> None:
    profile = with_service().profile(path).one()
    assert profile.fully_qualified_name == FQN
    assert profile.parent_ref.resource.port == 8080
    assert not profile.HasField("endpoint")
    assert not profile.opaque_protocol


def test_t51_an_ip_of_no_service() -> None:
    assert not with_service().profile("10.96.3.4:8080").one().fully_qualified_name


@pytest.mark.parametrize("path", [f"{FQN}:9999", "10.96.3.3:9999"])
def test_n9_a_port_that_the_service_does_not_declare(path: str) -> None:
    world = with_service()
    stream = world.profile(path)
    assert stream.one() == pb.DestinationProfile()
    world.apply(service("ledger", "fin", "10.96.3.3", ports={"": 9999}))
    assert stream.one().fully_qualified_name == FQN


def test_t19_external_names() -> None:
    world = World()
    world.apply(service("outside", type="ExternalName", ports={"": 80}))
    with pytest.raises(NotServableError):
        world.profile("outside.fin.svc.mesh.test:80")
    assert world.profile("outside.fin.svc.mesh.test:81").one() == pb.DestinationProfile()


def test_q15_a_service_that_is_not_there() -> None:
    with pytest.raises(NotFoundError):
        World().profile(FQN)


def test_t37_t145_opaque_by_annotation_of_the_service() -> None:
    world = with_service(annotations={OPAQUE: "7000, 6543,named"}, ports={"": 6543, "named": 1})
    assert world.profile(f"{FQN}:6543").one().opaque_protocol
    assert world.profile(f"{FQN}:1").one().opaque_protocol


def test_t143_t144_t146_t147_t148_opaque_ports_follow_the_service() -> None:
    plain = service("ledger", ports={"": 3306})
    other = service("ledger", ports={"": 3306}, annotations={OPAQUE: "7000"})
    none = service("ledger", ports={"": 3306}, annotations={OPAQUE: ""})
    world = World()
    world.apply(plain)
    stream = world.profile(f"{FQN}:3306")
    assert stream.one().opaque_protocol  # by default
    world.apply(service("ledger", ports={"": 3306}))
    assert stream.read() == []
    for changed in (other, none):
        world.apply(changed)
        assert not stream.one().opaque_protocol
        world.delete(changed)
        assert stream.one().opaque_protocol
        world.apply(changed)
        assert not stream.one().opaque_protocol
        world.apply(plain)
        assert stream.one().opaque_protocol


def test_n17_a_later_stream_hears_the_same() -> None:
    world = with_service(ports={"": 3306})
    for _ in range(2):
        stream = world.profile(f"{FQN}:3306")
        assert stream.one().opaque_protocol
        stream.subscription.close()
    assert not world.index.views


def test_t35_t36_annotations_of_pods_and_services_are_apart() -> None:
    world = with_service(ports={"": 5672})
    world.apply(pod("a", "fin", "10.4.0.20", annotations={OPAQUE: "5672"}))
    assert not world.profile("10.96.3.3:5672").one().opaque_protocol
    profile = world.profile("10.4.0.20:5672").one()
    assert profile.opaque_protocol
    assert profile.endpoint.protocol_hint.WhichOneof("protocol") == "opaque"
    assert profile.endpoint.protocol_hint.opaque_transport.inbound_port == 4143


def instances() -> World:
    world = World()
    world.apply(service("vault", "fin", ports={}), pod("vault-0", "fin", "10.4.0.30"))
    nobody = endpoint("192.0.2.1")
    machine = endpoint("192.0.2.2", pod=("ExternalWorkload", "m"), hostname="metal")
    later = endpoint("10.4.0.31", pod="vault-1", hostname="vault-1")
    first = endpoint("10.4.0.30", pod="vault-0", hostname="vault-0", ready=False)
    world.apply(endpoint_slice("v", "vault", nobody, machine, later, first))
    return world


def test_t25_an_instance_of_a_service() -> None:
    profile = instances().profile("vault-0.vault.fin.svc.mesh.test:5000").one()
    assert profile.endpoint.metric_labels["pod"] == "vault-0"
    assert profile.endpoint.protocol_hint.WhichOneof("protocol") == "h2"
    assert not profile.endpoint.protocol_hint.HasField("opaque_transport")


def test_an_instance_is_followed_to_another_ip() -> None:
    world = instances()
    stream = world.profile("vault-0.vault.fin.svc.mesh.test:5000")
    stream.read()
    world.apply(pod("vault-0", "fin", "10.4.0.99"))
    assert stream.one().endpoint.addr.ip.ipv4 == 0x0A040063
    world.delete(pod("vault-0"))
    assert not stream.one().HasField("endpoint")
    world.apply(pod("vault-0", "fin", "10.4.0.30"))
    assert stream.one().endpoint.metric_labels["pod"] == "vault-0"
    world.apply(endpoint_slice("v", "vault", endpoint("10.4.0.5", pod="x", hostname="vault-0")))
    assert not stream.one().HasField("endpoint")


def test_of_two_instances_of_one_name_the_first_slice_by_name_counts() -> None:
    world = instances()
    world.apply(pod("other", "fin", "10.4.0.98"))
    world.apply(endpoint_slice("u", "vault", endpoint("x", pod="other", hostname="vault-0")))
    stream = world.profile("vault-0.vault.fin.svc.mesh.test:5000")
    assert stream.one().endpoint.metric_labels["pod"] == "other"


@pytest.mark.parametrize("name", ["vault-1", "metal", "vault-9"])
def test_n28_instances_that_are_no_pods_or_not_yet(name: str) -> None:
    world = instances()
    with pytest.raises(NotFoundError):
        world.profile(f"{name}.vault.fin.svc.mesh.test:5000")
    with pytest.raises(NotFoundError):
        world.profile(f"{name}.nothing.fin.svc.mesh.test:5000")
    assert not world.index.views


def test_two_services_with_one_ip_are_no_answer() -> None:
    world = with_service()
    world.apply(service("copy", "fin", "10.96.3.3"))
    with pytest.raises(AmbiguousIpError, match="services"):
        world.profile("10.96.3.3:8080")


def test_an_ip_that_turns_from_a_service_into_nobodys() -> None:
    world = with_service()
    stream = world.profile("10.96.3.3:8080")
    assert stream.one().fully_qualified_name
    world.delete(service("ledger"))
    assert not stream.one().fully_qualified_name
