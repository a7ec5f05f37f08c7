"""What is kept of a pod, and what pods share."""

import json
from typing import Any

import msgspec

from services.destination.pods import Pod


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


def test_a_port_of_the_node_with_address_and_protocol() -> None:
    port = {"containerPort": 5353, "hostPort": 53, "hostIP": "192.0.2.8", "protocol": "UDP"}
    spec = {"containers": [{"name": "dns", "ports": [port, {"containerPort": 80}]}]}
    found, plain = _decode(Pod, {"metadata": {"name": "a"}, "spec": spec}).spec.containers[0].ports
    assert (found.host_port, found.host_ip, found.protocol) == (53, "192.0.2.8", "UDP")
    assert (plain.host_port, plain.host_ip, plain.protocol) == (0, "", "TCP")
