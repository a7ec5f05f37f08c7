"""Ports that belong to no Server: what flags and annotations say."""

from typing import Any, Final

import pytest

from linkerd.mesh.labels import DEFAULT_INBOUND_POLICY, OPAQUE_PORTS, REQUIRE_IDENTITY_PORTS
from linkerd.policy.default_policies import DefaultPolicy
from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.inbound.errors import UnknownWorkloadError
from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World, plain

_ALL: Final[Any] = [
    {"net": {"ip": {"ipv4": 0}}},
    {"net": {"ip": {"ipv6": {}}}},
]
_CLUSTER: Final[Any] = [{"net": {"ip": {"ipv4": 10 << 24}, "prefix_len": 8}}]
_ANYONE: Final[Any] = {"unauthenticated": {}}
_MESHED: Final[Any] = {"meshTLS": {"identities": {"suffixes": [{}]}}}


def _labels(name: str) -> dict[str, str]:
    return {"group": "", "kind": "default", "name": name}


def _allowed(server: pb.Server) -> list[Any]:
    """Networks and authentications, once it is checked that they are called by `server`'s name."""
    found = []
    for authz in plain(server).get("authorizations", []):
        assert authz.pop("labels") == dict(server.labels)
        assert authz.pop("metadata") == {"default": server.labels["name"]}
        found.append((authz.pop("networks"), authz.pop("authentication")))
        assert not authz
    return found


def test_i1_a_port_of_no_pod_cannot_be_followed() -> None:
    world = World()
    with pytest.raises(UnknownWorkloadError, match="no Pod ns1/p1 in the mesh"):
        world.follow(8080, "p1", "ns1")


def test_i2_a_pod_is_open_by_default() -> None:
    world = World()
    world.pod()
    server = world.told()
    assert dict(server.labels) == _labels("all-unauthenticated")
    assert server.protocol.detect.timeout.ToSeconds() == 10
    assert _allowed(server) == [(_ALL, _ANYONE)]
    assert [route.metadata.default for route in server.protocol.detect.http_routes] == ["default"]


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ("all-unauthenticated", [(_ALL, _ANYONE)]),
        ("all-authenticated", [(_ALL, _MESHED)]),
        ("cluster-unauthenticated", [(_CLUSTER, _ANYONE)]),
        ("cluster-authenticated", [(_CLUSTER, _MESHED)]),
        ("deny", []),
        ("audit", [(_ALL, _ANYONE)]),
    ],
)
def test_i3_the_clusters_default_holds(policy: str, allowed: list[Any]) -> None:
    world = World(default_policy=DefaultPolicy(policy))
    world.pod()
    server = world.told()
    assert dict(server.labels) == _labels(policy)
    assert _allowed(server) == allowed


def test_i4_a_pods_annotation_is_before_the_clusters_default() -> None:
    world = World()
    world.pod(annotations={DEFAULT_INBOUND_POLICY: "deny"})
    server = world.told()
    assert dict(server.labels) == _labels("deny")
    assert _allowed(server) == []


def test_i5_an_unknown_policy_of_a_pod_counts_as_none() -> None:
    world = World()
    world.pod(annotations={DEFAULT_INBOUND_POLICY: "sometimes"})
    assert dict(world.told().labels) == _labels("all-unauthenticated")
    assert world.index.tally.complaints == 1


def test_i6_ports_that_a_pod_calls_opaque_are() -> None:
    world = World()
    world.pod(annotations={OPAQUE_PORTS: "6000-6001"})
    assert world.told(6000).protocol.WhichOneof("kind") == "opaque"
    assert world.told(6001).protocol.WhichOneof("kind") == "opaque"
    assert world.told(6002).protocol.WhichOneof("kind") == "detect"


def test_i7_a_list_of_ports_with_a_mistake_is_empty() -> None:
    world = World()
    world.pod(annotations={OPAQUE_PORTS: "6000,oops"})
    assert world.told(6000).protocol.WhichOneof("kind") == "detect"
    assert world.index.tally.complaints == 1


@pytest.mark.parametrize(
    ("policy", "required"),
    [
        pytest.param("all-unauthenticated", "all-authenticated", id="i8"),
        pytest.param("cluster-unauthenticated", "cluster-authenticated", id="i9"),
        pytest.param("deny", "deny", id="i10-deny"),
        pytest.param("audit", "audit", id="i10-audit"),
    ],
)
def test_a_port_may_require_an_identity(policy: str, required: str) -> None:
    world = World(default_policy=DefaultPolicy(policy))
    world.pod(annotations={REQUIRE_IDENTITY_PORTS: "9000"})
    assert world.told(9000).labels["name"] == required
    assert world.told(9001).labels["name"] == policy


def test_of_ports_that_require_an_identity_a_list_with_a_mistake_closes_all() -> None:
    world = World()
    world.pod(annotations={REQUIRE_IDENTITY_PORTS: "9000,admin"})
    assert world.told(9000).labels["name"] == "all-authenticated"
    assert world.told(9001).labels["name"] == "all-authenticated"
    assert world.index.tally.complaints == 1


def test_i11_a_port_need_not_be_declared() -> None:
    world = World()
    world.pod()
    assert dict(world.told(12345).labels) == _labels("all-unauthenticated")


def test_i62_an_external_workload_has_defaults_too() -> None:
    world = World()
    tls = {"identity": "vm.fin", "serverName": "vm.fin"}
    world.put(Kind.EXTERNAL_WORKLOAD, "vm-7", {"meshTLS": tls, "ports": [{"port": 8080}]})
    server = world.told(name="vm-7", is_external=True)
    assert dict(server.labels) == _labels("all-unauthenticated")
    assert [route.metadata.default for route in server.protocol.detect.http_routes] == ["default"]


def test_a_port_hears_of_its_pods_annotations() -> None:
    world = World()
    world.pod()
    follower = world.follow()
    assert follower.told.labels["name"] == "all-unauthenticated"
    world.pod(annotations={DEFAULT_INBOUND_POLICY: "deny"})
    assert [server.labels["name"] for server in follower.read()] == ["deny"]
    world.pod(annotations={DEFAULT_INBOUND_POLICY: "deny", OPAQUE_PORTS: "1"})
    assert follower.read() == []
