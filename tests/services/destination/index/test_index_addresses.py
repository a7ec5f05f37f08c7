"""How an endpoint is described. Ids of the catalogue: T8 to T10, T56 to T63, T67 for pods, T76,
T136 to T142, T193, T195, N18."""

import pytest
from structlog.testing import capture_logs

from linkerd.kube.objects import Container, LabelSelector, Requirement
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.testing.objects import (
    container,
    endpoint,
    endpoint_slice,
    owned,
    pod,
    proxy,
    server,
    service,
)
from services.destination.index import Kind
from services.destination.model.http2 import Http2Params, KeepAlive
from services.destination.testing import EndpointStream, World

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


def address(subject: object, port: int = 8080, **mesh: object) -> pb.WeightedAddr:
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


def test_t61_labels_of_a_pod() -> None:
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
    from linkerd.names import IdentityDomain

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


GATEWAY = "mirror.linkerd.io/remote-gateway-identity"
FQN = "mirror.linkerd.io/remote-svc-fq-name"
CLUSTER = {"mirror.linkerd.io/cluster-name": "north"}


def mirror(annotations: dict[str, str]) -> object:
    return endpoint_slice(
        "mirror",
        "ledger",
        endpoint("192.0.2.1"),
        ports={"": 4143},
        labels=CLUSTER,
        annotations=annotations,
    )


def test_t136_t137_t139_a_mirrored_service_leads_to_its_gateway() -> None:
    world = World(PARAMS)
    world.apply(service("ledger", ports={"": 9009}))
    world.apply(mirror({GATEWAY: "gw.north.test", FQN: "ledger.fin.svc.north.test"}))
    stream = world.get("ledger.fin.svc.mesh.test:9009")
    assert stream.read() == ["add 192.0.2.1:4143"]
    said = stream.address("192.0.2.1:4143")
    assert said.tls_identity.dns_like_identity.name == "gw.north.test"
    assert not said.tls_identity.HasField("server_name")
    assert said.authority_override.authority_override == "ledger.fin.svc.north.test:9009"
    assert hint(said) == ("h2", 0)
    assert said.HasField("http2")
    assert dict(said.metric_labels) == {"zone_locality": "unknown"}
    assert stream.reader.labels == {
        "namespace": "fin",
        "service": "ledger",
        "target_cluster": "north",
        "target_service": "ledger",
        "target_service_namespace": "fin",
    }


@pytest.mark.parametrize("annotations", [{}, {GATEWAY: ""}])
def test_t56_t138_t140_a_gateway_without_identity(annotations: dict[str, str]) -> None:
    world = World(PARAMS)
    world.apply(service("ledger"), mirror(annotations))
    stream = world.get("ledger.fin.svc.mesh.test:8080")
    stream.read()
    said = stream.address("192.0.2.1:4143")
    assert set(fields(said)) == {"addr", "weight", "metric_labels"}


def test_t141_t142_the_gateways_identity_changes() -> None:
    world = World()
    world.apply(service("ledger"), mirror({GATEWAY: "gw.north.test"}))
    stream = world.get("ledger.fin.svc.mesh.test:8080")
    stream.read()
    world.apply(mirror({GATEWAY: "gw.north.test"}))
    assert stream.read() == []
    world.apply(mirror({GATEWAY: "other.north.test"}))
    assert stream.read() == ["add 192.0.2.1:4143"]
