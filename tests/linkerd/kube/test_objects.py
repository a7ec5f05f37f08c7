"""What is kept of objects, and what is shared between them."""

import json
from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import (
    Endpoints,
    EndpointSlice,
    ExternalWorkload,
    Pod,
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


def _pod(name: str) -> Any:
    proxy_env = [
        {"name": "LINKERD2_PROXY_LOG", "value": "warn"},
        {"name": "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", "value": "0.0.0.0:4143"},
        {"name": "LINKERD2_PROXY_IDENTITY_LOCAL_NAME", "value": "$(_pod_sa).$(_pod_ns)"},
        {"name": "_pod_sa", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
    ]
    annotations = {
        "config.linkerd.io/opaque-ports": "25",
        "linkerd.io/trust-root-sha256": "x",
        "notlinkerd.io/a": "x",
        "linkerd.io": "x",
        "kubectl.kubernetes.io/last-applied-configuration": "x" * 1000,
    }
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "u"}
    meta = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "resourceVersion": "5",
        "labels": {"app": "web", "pod-template-hash": "1"},
        "annotations": annotations,
        "ownerReferences": [{**owner, "controller": True}],
        "managedFields": [{"manager": "x", "fieldsV1": {"f:a": {}}}],
    }
    app = {
        "name": "app",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": "LINKERD2_PROXY_OF_NO_NAME", "value": "hunter2"}],
    }
    spec = {
        "nodeName": "node-1",
        "serviceAccountName": "web",
        "initContainers": [{"name": "linkerd-proxy", "env": proxy_env}],
        "containers": [app],
    }
    status = {
        "phase": "Running",
        "podIP": "10.1.0.5",
        "podIPs": [{"ip": "10.1.0.5"}, {"ip": "fd00::5"}],
        "hostIP": "192.168.0.1",
        "hostIPs": [{"ip": "192.168.0.1"}],
    }
    return _decode(Pod, {"metadata": meta, "spec": spec, "status": status})


def test_a_pod_keeps_what_the_mesh_reads() -> None:
    pod = _pod("web-1-a")
    assert pod.metadata.key == ("shop", "web-1-a")
    assert pod.metadata.annotations == {
        "config.linkerd.io/opaque-ports": "25",
        "linkerd.io/trust-root-sha256": "x",
    }
    assert pod.status.ips == ("10.1.0.5", "fd00::5")
    assert pod.status.host_addresses == ("192.168.0.1",)
    assert pod.spec.containers[0].ports[0].container_port == 8080
    proxy = pod.spec.init_containers[0]
    assert proxy.variable("LINKERD2_PROXY_INBOUND_LISTEN_ADDR") == "0.0.0.0:4143"
    assert proxy.variable("LINKERD2_PROXY_LOG") is None
    assert not pod.terminal
    assert not pod.terminating


def test_variables_of_applications_are_not_kept() -> None:
    assert "hunter2" not in repr(_pod("web-1-a"))


def test_pods_of_a_workload_share_what_they_repeat() -> None:
    one, two = _pod("web-1-a"), _pod("web-1-b")
    assert one.metadata.labels is two.metadata.labels
    assert one.metadata.annotations is two.metadata.annotations
    assert one.metadata.owner_references is two.metadata.owner_references
    assert one.metadata.namespace is two.metadata.namespace
    assert one.spec.containers is two.spec.containers
    assert one.spec.init_containers is two.spec.init_containers
    assert one.spec.node_name is two.spec.node_name
    assert one.status.host_ips is two.status.host_ips
    assert one.status.pod_ip is one.status.pod_ips[0].ip


def test_an_address_is_kept_once() -> None:
    meta = {"metadata": {"name": "a"}}
    one = _decode(Pod, {**meta, "status": {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}]}})
    assert one.status.pod_ips == ()
    assert one.status.ips == ("1.2.3.4",)
    other = {"podIP": "1.2.3.4", "podIPs": [{"ip": "fd00::1"}]}
    assert _decode(Pod, {**meta, "status": other}).status.ips == ("fd00::1",)


def test_a_pod_without_ip_is_a_pod() -> None:
    pod = _decode(Pod, {"metadata": {"name": "a"}, "spec": {}, "status": {"phase": "Pending"}})
    assert pod.status.ips == ()


def test_only_the_singular_address() -> None:
    pod = _decode(Pod, {"metadata": {"name": "a"}, "status": {"podIP": "1.2.3.4"}})
    assert pod.status.ips == ("1.2.3.4",)


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


def test_a_port_of_the_node_with_address_and_protocol() -> None:
    port = {"containerPort": 5353, "hostPort": 53, "hostIP": "192.0.2.8", "protocol": "UDP"}
    spec = {"containers": [{"name": "dns", "ports": [port, {"containerPort": 80}]}]}
    found, plain = _decode(Pod, {"metadata": {"name": "a"}, "spec": spec}).spec.containers[0].ports
    assert (found.host_port, found.host_ip, found.protocol) == (53, "192.0.2.8", "UDP")
    assert (plain.host_port, plain.host_ip, plain.protocol) == (0, "", "TCP")
