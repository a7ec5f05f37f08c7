"""What is kept of objects, and what is shared between them."""

import json
from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import (
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    Secret,
    Server,
    Service,
    ServiceProfile,
    TargetRef,
    TrafficSplit,
)
from linkerd.kube.objects.pool import MappingPool, Pool
from linkerd.kube.resource import JOBS, NODES, PODS, SERVICE_PROFILES, TRAFFIC_SPLITS


def _decode(kind: type[Any], document: dict[str, Any]) -> Any:
    return msgspec.json.decode(json.dumps(document), type=kind)


def test_pools_are_bounded() -> None:
    pool: Pool[str] = Pool(limit=2)
    first = pool.share("".join(["a", "b"]))
    assert pool.share("".join(["a", "b"])) is first
    for text in ("c", "d", "e"):
        pool.share(text)
    assert pool.share("".join(["a", "b"])) is not first
    mappings = MappingPool(limit=1)
    assert mappings.share({"a": "b"}) is not mappings.share({"a": "c"})
    assert mappings.share({}) == {}


def test_services() -> None:
    meta = {"metadata": {"name": "a"}}
    ports = [{"port": 80, "name": "http", "targetPort": "web"}, {"port": 81, "targetPort": 8081}]
    service = _decode(
        Service, {**meta, "spec": {"clusterIPs": ["10.0.0.1", "fd00::1"], "ports": ports}}
    )
    assert service.spec.ips == ("10.0.0.1", "fd00::1")
    assert [port.target_port for port in service.spec.ports] == ["web", 8081]
    assert service.spec.selector is None
    headless = _decode(Service, {**meta, "spec": {"clusterIP": "None", "selector": {}}})
    assert headless.spec.ips == ()
    assert headless.spec.selector == {}


def test_slices() -> None:
    endpoint = {
        "addresses": ["10.1.0.5"],
        "conditions": {"ready": False},
        "targetRef": {"kind": "Pod", "name": "a", "namespace": "shop", "uid": "u"},
        "hints": {"forZones": [{"name": "east"}]},
    }
    ports = [{"port": None, "name": None}, {"port": 80}]
    document = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [endpoint]}
    item = _decode(EndpointSlice, {**document, "ports": ports[1:]})
    assert item.endpoints[0].conditions.ready is False
    assert item.endpoints[0].hints.for_zones[0].name == "east"
    assert item.ports[0].name == ""
    assert item.endpoints[0].target_ref == TargetRef("Pod", "a", "shop")
    machine = _decode(TargetRef, {"kind": "ExternalWorkload", "name": "a", "uid": "u"})
    assert machine.uid == "u", "the controller of slices compares it"


def test_secrets_do_not_print_their_values() -> None:
    secret = _decode(Secret, {"metadata": {"name": "a"}, "data": {"key": "aHVudGVyMg=="}})
    assert secret.data["key"] == b"hunter2"
    assert "hunter2" not in f"{secret} {secret!r}"


def test_custom_resources() -> None:
    meta = {"metadata": {"name": "a", "namespace": "shop"}}
    server = _decode(
        Server, {**meta, "spec": {"port": "http", "podSelector": {"matchLabels": {"a": "b"}}}}
    )
    assert server.spec.pod_selector.matches({"a": "b", "c": "d"})
    workload = _decode(
        ExternalWorkload,
        {
            **meta,
            "spec": {
                "meshTLS": {"identity": "spiffe://x", "serverName": "vm"},
                "workloadIPs": [{"ip": "9.9.9.9"}],
                "ports": [{"port": 80, "name": "http"}],
            },
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        },
    )
    assert workload.ready
    assert workload.spec.mesh_tls.server_name == "vm"


def test_profiles_are_lenient_where_the_schema_is_odd() -> None:
    spec = {
        "opaquePorts": {"80": {}},
        "dstOverrides": [{"authority": "b:80", "weight": "500m"}, {"weight": 1}],
        "routes": [
            {
                "name": "list",
                "condition": {"all": [], "not": {"method": "GET"}},
                "responseClasses": [{"condition": {"status": {"min": 500}}, "isFailure": True}],
            }
        ],
    }
    profile = _decode(ServiceProfile, {"metadata": {"name": "a"}, "spec": spec})
    condition = profile.spec.routes[0].condition
    assert condition.all == ()
    assert condition.any is None
    assert condition.not_.method == "GET"
    assert profile.spec.dst_overrides[0].weight == "500m"


def test_endpoints_without_those_that_are_not_ready() -> None:
    target = {"kind": "Pod", "name": "a", "namespace": "shop", "uid": "u"}
    addresses = [{"ip": "10.4.0.1", "targetRef": target, "nodeName": "n1"}, {"ip": "10.4.0.2"}]
    subset = {
        "addresses": addresses,
        "notReadyAddresses": [{"ip": "10.4.0.3"}],
        "ports": [{"port": 80}, {"port": 90, "name": "x", "protocol": "UDP"}],
    }
    item = _decode(Endpoints, {"metadata": {"name": "a"}, "subsets": [subset, {}]})
    first, second = item.subsets
    assert [address.ip for address in first.addresses] == ["10.4.0.1", "10.4.0.2"]
    assert first.addresses[0].target_ref.name == "a"
    assert [port.name for port in first.ports] == ["", "x"]
    assert (second.addresses, second.ports) == ((), ())


@pytest.mark.parametrize("weight", ["900m", 9, 0.9])
def test_splits_of_either_version(weight: object) -> None:
    split = _decode(
        TrafficSplit,
        {
            "metadata": {"name": "s", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"service": "web", "backends": [{"service": "web-1", "weight": weight}]},
        },
    )
    assert split.spec.backends[0].weight == weight
    assert split.metadata.creation_timestamp == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("ns", version="v9"), "/api/v9/namespaces/ns/pods"),
        (TRAFFIC_SPLITS.path(), "/apis/split.smi-spec.io/v1alpha1/trafficsplits"),
        (PODS.path("ns", "a"), "/api/v1/namespaces/ns/pods/a"),
        (PODS.path("../x", "a/b"), "/api/v1/namespaces/..%2Fx/pods/a%2Fb"),
        (NODES.path("ns"), "/api/v1/nodes"),
        (SERVICE_PROFILES.path("ns"), "/apis/linkerd.io/v1alpha2/namespaces/ns/serviceprofiles"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    assert path == expected


def test_metadata_only_resources_ask_for_it() -> None:
    assert "as=PartialObjectMetadataList;" in JOBS.accept_list
    assert "as=PartialObjectMetadata;" in JOBS.accept_object
    assert PODS.accept_list == "application/json"
