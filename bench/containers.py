"""The containers of the dataset's pods, of the size that they have in real clusters."""

from typing import Any

from linkerd.mesh import labels


def app(port: int) -> dict[str, Any]:
    """An application that serves on `port`."""
    return {
        "name": "app",
        "image": "registry.invalid/app:1.2.3",
        "ports": [{"name": "http", "containerPort": port}],
        "env": [{"name": f"SETTING_{index}", "value": f"value-{index}"} for index in range(10)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
    }


def proxy() -> dict[str, Any]:
    """A sidecar as the injector writes it, in size at least: some thirty variables."""
    values = {f"LINKERD2_PROXY_SETTING_{index}": f"10.0.0.0/8,{index}" for index in range(30)}
    values |= {
        labels.PROXY_INBOUND_LISTEN_ADDR: "0.0.0.0:4143",
        labels.PROXY_CONTROL_LISTEN_ADDR: "0.0.0.0:4190",
        labels.PROXY_ADMIN_LISTEN_ADDR: "0.0.0.0:4191",
        "LINKERD2_PROXY_DESTINATION_SVC_ADDR": "linkerd-dst-headless.linkerd.svc:8086",
    }
    return {
        "name": "linkerd-proxy",
        "image": "registry.invalid/proxy:bench",
        "ports": [
            {"name": "linkerd-proxy", "containerPort": 4143},
            {"name": "linkerd-admin", "containerPort": 4191},
        ],
        "env": [
            {"name": "_pod_name", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "_pod_ns", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            *({"name": name, "value": value} for name, value in values.items()),
        ],
        "livenessProbe": {"httpGet": {"path": "/live", "port": 4191}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 4191}},
        "securityContext": {"runAsUser": 2102, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "linkerd-identity-end-entity", "mountPath": "/var/run/linkerd/identity"}
        ],
    }
