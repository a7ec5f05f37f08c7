"""Which Server a port belongs to, and what it is told by that."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from linkerd.kube.events import Applied, Deleted
from linkerd.mesh.labels import OPAQUE_PORTS
from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World, plain
from tests.support.policy.objects import item

_WEB = {"ports": [{"name": "web", "containerPort": 8081}]}


def _name(world: World, port: int = 8080, **more: Any) -> str:
    return world.told(port, **more).labels["name"]


_DEFAULT = "all-unauthenticated"


def test_i12_a_server_by_number_denies_unless_it_says_otherwise() -> None:
    world = World()
    world.pod()
    world.server("web", 8080)
    server = world.told()
    assert dict(server.labels) == {"group": "policy.linkerd.io", "kind": "server", "name": "web"}
    assert not server.authorizations


def test_i13_a_server_by_name_has_the_port_of_that_name() -> None:
    world = World()
    world.pod(containers=[_WEB])
    world.server("web", "web")
    assert _name(world, 8081) == "web"
    assert _name(world, 8080) == _DEFAULT


def test_i14_a_name_may_be_of_several_ports() -> None:
    world = World()
    world.pod(containers=[_WEB, {"ports": [{"name": "web", "containerPort": 8082}]}])
    world.server("web", "web")
    assert (_name(world, 8081), _name(world, 8082)) == ("web", "web")


def test_i15_a_server_that_selects_others_now_gives_the_port_back() -> None:
    world = World()
    world.pod(labels={"app": "web"})
    world.server(podSelector={"matchLabels": {"app": "web"}})
    follower = world.follow()
    assert follower.told.labels["name"] == "web"
    world.server(podSelector={"matchLabels": {"app": "db"}})
    assert [server.labels["name"] for server in follower.read()] == [_DEFAULT]


def test_i16_a_server_that_goes_gives_the_port_back() -> None:
    world = World()
    world.pod()
    server = world.server()
    follower = world.follow()
    assert follower.told.labels["name"] == "web"
    world.remove(Kind.SERVER, server)
    assert [server.labels["name"] for server in follower.read()] == [_DEFAULT]


def test_i17_of_two_servers_the_older_has_the_port() -> None:
    world = World()
    world.pod()
    world.server("a", created="2026-02-01")
    world.server("b", created="2026-01-01")
    assert _name(world) == "b"


def test_a_server_hears_that_its_port_belongs_to_another() -> None:
    world = World()
    world.pod()
    world.server("old", created="2026-01-01")
    with capture_logs() as logs:
        world.server("new", created="2026-02-01")
    (line,) = logs
    assert (line["kind"], line["name"]) == ("Server", "new")
    problem = "ports that it selects belong to other Servers: old"
    assert line["error"] == f"spec.port: {problem}"


def test_i18_of_two_servers_of_one_age_the_first_by_name_has_the_port() -> None:
    world = World()
    world.pod()
    world.server("b", created="2026-01-01")
    world.server("a", created="2026-01-01")
    assert _name(world) == "a"


def test_i19_when_a_server_goes_the_next_has_the_port() -> None:
    world = World()
    world.pod()
    first = world.server("a")
    world.server("b")
    follower = world.follow()
    assert follower.told.labels["name"] == "a"
    world.remove(Kind.SERVER, first)
    assert [server.labels["name"] for server in follower.read()] == ["b"]


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ("unknown", "detect"),
        ("HTTP/1", "http1"),
        ("HTTP/2", "http2"),
        ("gRPC", "grpc"),
        pytest.param("opaque", "opaque", id="i20"),
        ("TLS", "tls"),
        ("smtp", "detect"),
    ],
)
def test_a_server_says_the_protocol(protocol: str, told: str) -> None:
    world = World()
    world.pod()
    world.server(proxyProtocol=protocol)
    assert world.told().protocol.WhichOneof("kind") == told


def test_i21_a_servers_protocol_is_before_the_pods_opaque_ports() -> None:
    world = World()
    world.pod(annotations={OPAQUE_PORTS: "8080"})
    assert world.told().protocol.WhichOneof("kind") == "opaque"
    world.server(proxyProtocol="unknown")
    assert world.told().protocol.detect.timeout.ToSeconds() == 10


@pytest.mark.parametrize(
    ("expression", "selects"),
    [
        pytest.param({"operator": "Exists", "values": ["web"]}, False, id="i57"),
        ({"operator": "Exists", "values": []}, False),
        ({"operator": "Exists"}, True),
        ({"operator": "DoesNotExist"}, False),
        ({"operator": "In", "values": ["web"]}, True),
        ({"operator": "In", "values": []}, False),
        ({"operator": "In"}, False),
        ({"operator": "NotIn", "values": ["db"]}, True),
        ({"operator": "NotIn", "values": []}, True),
        ({"operator": "NotIn"}, False),
        ({"operator": "Near", "values": ["web"]}, False),
    ],
)
def test_expressions_that_make_no_sense_select_nothing(
    expression: dict[str, Any], selects: bool
) -> None:
    world = World()
    world.pod(labels={"app": "web"})
    world.server(podSelector={"matchExpressions": [{"key": "app"} | expression]})
    assert (_name(world) == "web") is selects


def test_i58_a_label_that_is_absent_is_not_in() -> None:
    world = World()
    world.pod()
    expression = {"key": "app", "operator": "NotIn", "values": ["db"]}
    world.server(podSelector={"matchExpressions": [expression]})
    assert _name(world) == "web"


def test_i59_a_server_may_move_to_another_port() -> None:
    world = World()
    world.pod()
    world.server("web", 8080)
    old, new = world.follow(8080), world.follow(9090)
    assert (old.told.labels["name"], new.told.labels["name"]) == ("web", _DEFAULT)
    world.server("web", 9090)
    assert (old.told.labels["name"], new.told.labels["name"]) == (_DEFAULT, "web")


def test_i60_a_pod_whose_ports_change_is_told_what_holds_now() -> None:
    world = World()
    world.pod(containers=[_WEB])
    world.server("web", "web")
    follower = world.follow(8082)
    assert follower.told.labels["name"] == _DEFAULT
    world.pod(containers=[{"ports": [{"name": "web", "containerPort": 8082}]}])
    assert [server.labels["name"] for server in follower.read()] == ["web"]


@pytest.mark.parametrize("protocol", ["TCP", "tcp"])
def test_i61_external_workloads_have_selectors_of_their_own(protocol: str) -> None:
    world = World()
    tls = {"identity": "vm", "serverName": "vm"}
    udp = {"name": "web", "port": 8081, "protocol": "udp"}
    spec = {"meshTLS": tls, "ports": [{"name": "web", "port": 8080, "protocol": protocol}, udp]}
    world.put(Kind.EXTERNAL_WORKLOAD, "vm-7", spec, labels={"app": "web"})
    world.pod(labels={"app": "web"})
    world.put(Kind.SERVER, "vm", {"port": "web", "externalWorkloadSelector": {}})
    server = world.told(name="vm-7", is_external=True)
    assert server.labels["name"] == "vm"
    assert [route.metadata.default for route in server.protocol.detect.http_routes] == ["default"]
    assert world.told(8081, name="vm-7", is_external=True).labels["name"] == _DEFAULT
    assert _name(world) == _DEFAULT


def test_i64_ports_of_init_containers_have_names_too() -> None:
    world = World()
    proxy = {"ports": [{"name": "linkerd-admin", "containerPort": 4191}]}
    world.put(Kind.POD, "web-0", {"initContainers": [proxy]})
    world.server("admin", "linkerd-admin")
    assert _name(world, 4191) == "admin"


def test_i66_the_streams_of_a_pod_end_with_it() -> None:
    world = World()
    pod = world.pod()
    world.pod("web-1")
    gone, other = world.follow(), world.follow(name="web-1")
    gone.read(), other.read()
    world.remove(Kind.POD, pod)
    assert gone.read() == []
    assert gone.ended
    assert other.read() == []
    assert not other.ended


def test_a_pod_that_is_made_anew_is_followed_on() -> None:
    world = World()
    pod = world.pod(labels={"app": "web"})
    world.server(podSelector={"matchLabels": {"app": "db"}})
    follower = world.follow()
    follower.read()
    new = item(Kind.POD, "web-0", labels={"app": "db"})
    world.index.listener(Kind.POD)([Deleted(pod), Applied(new)])
    assert [server.labels["name"] for server in follower.read()] == ["web"]
    assert not follower.ended


def test_udp_ports_have_no_names_here() -> None:
    world = World()
    dns = {"ports": [{"name": "web", "containerPort": 8080, "protocol": "UDP"}]}
    world.pod(containers=[dns])
    world.server("web", "web")
    assert _name(world) == _DEFAULT


def test_a_server_is_of_its_own_namespace() -> None:
    world = World()
    world.pod()
    world.server("web", namespace="ops")
    assert _name(world) == _DEFAULT


def test_a_server_that_is_told_again_can_still_go() -> None:
    """The workload once kept the version that it had seen first."""
    world = World()
    world.pod()
    world.server("web")
    world.server("web")
    follower = world.follow()
    world.remove(Kind.SERVER, world.server("web"))
    assert follower.told.labels["name"] == _DEFAULT


def test_an_opaque_port_has_no_routes() -> None:
    world = World()
    world.pod()
    world.server(proxyProtocol="opaque")
    assert plain(world.told().protocol) == {"opaque": {}}
