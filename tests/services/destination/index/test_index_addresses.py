"""How an endpoint is described. Ids of the catalogue: T8, T59 to T63, T73, T76, T193, T195."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.index import Kind
from services.destination.model.http2 import Http2Params, KeepAlive
from services.destination.pods import Container
from tests.support.destination.world import EndpointStream, World
from tests.support.objects import (
    container,
    endpoint,
    endpoint_slice,
    owned,
    pod,
    proxy,
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


def address(subject: object, port: int = 8080, **mesh: Any) -> pb.WeightedAddr:
    stream = open_stream(World(PARAMS, **mesh), subject, port)
    return stream.address(f"{IP}:{port}")


def fields(said: pb.WeightedAddr) -> list[str]:
    return [field.name for field, _ in said.ListFields()]


def hint(said: pb.WeightedAddr) -> tuple[str | None, int]:
    """Protocol and inbound port (0: none)."""
    assert said.HasField("protocol_hint")
    return said.protocol_hint.WhichOneof("protocol"), (
        said.protocol_hint.opaque_transport.inbound_port
    )


def test_t61_t195_labels_of_a_pod() -> None:
    world = World()
    world.apply(owned("ledger-7f", "fin", ("Deployment", "ledger")), kind=Kind.REPLICA_SET)
    subject = pod(
        "a",
        "fin",
        IP,
        account="sa-l",
        owners=[("ReplicaSet", "ledger-7f")],
        labels={"pod-template-hash": "7f"},
    )
    stream = open_stream(world, subject)
    assert stream.reader.labels == {"namespace": "fin", "service": "ledger"}
    assert dict(stream.address(f"{IP}:8080").metric_labels) == {
        "pod": "a",
        "deployment": "ledger",
        "serviceaccount": "sa-l",
        "control_plane_ns": "linkerd",
        "pod_template_hash": "7f",
        "zone": "",
        "zone_locality": "unknown",
    }


def test_t195_labels_of_an_unmeshed_pod_on_its_own() -> None:
    said = address(pod("a", "fin", IP, meshed=False))
    assert dict(said.metric_labels) == {
        "pod": "a",
        "serviceaccount": "default",
        "zone": "",
        "zone_locality": "unknown",
    }


@pytest.mark.parametrize(
    ("reference", "above", "label", "name"),
    [
        (("ReplicaSet", "rs"), [("Deployment", "d")], "deployment", "d"),
        (("ReplicaSet", "rs"), None, "replicaset", "rs"),
        (("ReplicaSet", "rs"), [("Rollout", "r")], "replicaset", "rs"),
        (("ReplicaSet", "rs"), [("Deployment", "d"), ("Job", "j")], "replicaset", "rs"),
        (("Job", "j"), None, "k8s_job", "j"),
        (("Job", "j"), [("CronJob", "c")], "cronjob", "c"),
        (("ReplicationController", "rc"), None, "replicationcontroller", "rc"),
        (("Node", "n1"), None, "node", "n1"),
        (("StatefulSet", "s"), None, "statefulset", "s"),
    ],
)
def test_t193_owners(
    reference: tuple[str, str], above: list[tuple[str, str]] | None, label: str, name: str
) -> None:
    world = World()
    stream = open_stream(world, pod("a", "fin", IP, owners=[reference]))
    if above is not None:  # it may come later than the pod
        kind = Kind.JOB if reference[0] == "Job" else Kind.REPLICA_SET
        world.apply(owned(reference[1], "fin", *above), kind=kind)
        stream.read()
    assert stream.address(f"{IP}:8080").metric_labels[label] == name


def test_t193_a_pod_with_two_owners_is_its_own() -> None:
    said = address(pod("a", "fin", IP, owners=[("Job", "j"), ("Job", "k")]))
    assert set(said.metric_labels) >= {"pod"}
    assert "k8s_job" not in said.metric_labels


def test_t62_identity() -> None:
    said = address(pod("a", "fin", IP, account="sa-l")).tls_identity
    name = "sa-l.fin.serviceaccount.identity.linkerd.trust.mesh.test"
    assert said.dns_like_identity.name == name
    assert said.server_name.name == name


def test_an_unmeshed_pod_has_labels_only() -> None:
    annotations = {"config.linkerd.io/opaque-ports": "8080"}
    said = address(pod("a", "fin", IP, meshed=False, annotations=annotations))
    assert set(fields(said)) == {"addr", "weight", "metric_labels"}


def test_a_pod_of_another_control_plane_has_a_hint_and_no_identity() -> None:
    labels = {"linkerd.io/control-plane-ns": "other"}
    said = address(pod("a", "fin", IP, labels=labels))
    assert hint(said) == ("h2", 0)
    assert said.HasField("http2")
    assert not said.HasField("tls_identity")


def test_no_identity_without_a_trust_domain() -> None:
    from linkerd.mesh.names import IdentityDomain

    assert not address(pod("a", "fin", IP), identities=IdentityDomain("linkerd", "")).HasField(
        "tls_identity"
    )


def test_t8_a_port_that_the_proxy_does_not_see() -> None:
    subject = pod("a", "fin", IP, annotations={"config.linkerd.io/skip-inbound-ports": "1-5,9443"})
    skipped = address(subject, 9443)
    assert set(fields(skipped)) == {"addr", "weight", "metric_labels"}
    assert hint(address(subject)) == ("h2", 0)


@pytest.mark.parametrize("inbound", ["0.0.0.0:4143", "[::]:4143", "[::1]:4143"])
def test_t59_t73_transport_header(inbound: str) -> None:
    subject = pod("a", "fin", IP, init_containers=[proxy(inbound)])
    assert hint(address(subject, transport_header=True)) == ("h2", 4143)
    assert hint(address(subject)) == ("h2", 0)


@pytest.mark.parametrize("port", [4190, 4191])
def test_t60_the_proxys_own_ports(port: int) -> None:
    assert hint(address(pod("a", "fin", IP), port, transport_header=True)) == ("h2", 0)
    opaque = {"config.linkerd.io/opaque-ports": str(port)}
    assert hint(address(pod("a", "fin", IP, annotations=opaque), port)) == ("opaque", 0)


def test_no_h2_upgrade() -> None:
    assert hint(address(pod("a", "fin", IP), h2_upgrade=False)) == (None, 0)


def test_t63_opaque_ports() -> None:
    annotated = pod("a", "fin", IP, annotations={"config.linkerd.io/opaque-ports": "7000-8080"})
    assert hint(address(annotated)) == ("opaque", 4143)
    assert hint(address(pod("a", "fin", IP), 3306)) == ("opaque", 4143)  # by default
    empty = pod("a", "fin", IP, annotations={"config.linkerd.io/opaque-ports": ""})
    assert hint(address(empty, 3306)) == ("h2", 0)


def test_t76_opaque_ports_by_name_in_containers_of_both_kinds() -> None:
    subject = pod(
        "a",
        "fin",
        IP,
        containers=[container(wire=8080)],
        init_containers=[proxy(), container("sidecar", aside=8081)],
        annotations={"config.linkerd.io/opaque-ports": "wire, aside"},
    )
    assert hint(address(subject)) == ("opaque", 4143)
    assert hint(address(subject, 8081)) == ("opaque", 4143)


def test_a_container_that_is_not_the_first_called_proxy_does_not_count() -> None:
    subject = pod("a", "fin", IP, init_containers=[proxy("0.0.0.0:1")], containers=[proxy()])
    assert hint(address(subject, transport_header=True)) == ("h2", 1)


@pytest.mark.parametrize(
    "containers",
    [[], [proxy(control="")], [proxy("")], [proxy("0.0.0.0:0")], [proxy("nonsense")]],
)
def test_q5_a_pod_whose_proxy_is_unclear_is_left_out_and_reported_once(
    containers: list[Container],
) -> None:
    world = World(transport_header=True)
    with capture_logs() as logs:
        stream = open_stream(world, pod("a", "fin", IP, init_containers=containers))
        world.apply(pod("a", "fin", IP, init_containers=containers, account="other"))
    assert stream.sockets == set()
    assert [entry["name"] for entry in logs] == ["a"]
    world.apply(pod("a", "fin", IP))
    assert stream.read() == [f"add {IP}:8080"]


def test_an_unclear_inbound_port_does_not_matter_where_it_is_not_told() -> None:
    assert hint(address(pod("a", "fin", IP, init_containers=[proxy("")]))) == ("h2", 0)


def test_an_inbound_port_that_proxies_ignore_is_unclear() -> None:
    subject = pod("a", "fin", IP, init_containers=[proxy("0.0.0.0:65535")])
    with capture_logs() as logs:
        stream = open_stream(World(transport_header=True), subject)
    assert stream.sockets == set()
    assert "inbound address" in logs[0]["error"]
