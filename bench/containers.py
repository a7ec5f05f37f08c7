"""The containers of the dataset's pods, of the size that they have in real clusters."""

from typing import Any

from linkerd.mesh import proxy as names


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
        names.PROXY_INBOUND_LISTEN_ADDR: f"0.0.0.0:{names.INBOUND_PORT}",
        names.PROXY_CONTROL_LISTEN_ADDR: f"0.0.0.0:{names.CONTROL_PORT}",
        names.PROXY_ADMIN_LISTEN_ADDR: f"0.0.0.0:{names.ADMIN_PORT}",
        "LINKERD2_PROXY_DESTINATION_SVC_ADDR": "linkerd-dst-headless.linkerd.svc:8086",
    }
    return {
        "name": names.PROXY_CONTAINER,
        "image": "registry.invalid/proxy:bench",
        "ports": [
            {"name": names.PROXY_CONTAINER, "containerPort": names.INBOUND_PORT},
            {"name": names.ADMIN_PORT_NAME, "containerPort": names.ADMIN_PORT},
        ],
        "env": [
            {"name": "_pod_name", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "_pod_ns", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            *({"name": name, "value": value} for name, value in values.items()),
        ],
        "livenessProbe": {"httpGet": {"path": "/live", "port": names.ADMIN_PORT}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": names.ADMIN_PORT}},
        "securityContext": {"runAsUser": 2102, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "linkerd-identity-end-entity", "mountPath": "/var/run/linkerd/identity"}
        ],
    }
