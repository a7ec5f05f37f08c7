"""kubelet: its settings, and when its node counts as ready."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import yaml

from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.component import Component, flags, http_probe
from linkerd.local.containerd import SOCKET
from linkerd.local.credentials import NODE_NAME, Credentials
from linkerd.local.files import keep_private, private_folder
from linkerd.local.space import KUBELET
from linkerd.local.state import Network, State
from linkerd.mesh.names import DEFAULT_DOMAIN

_HEALTH_PORT: Final = 10248


def kubelet(
    program: Path,
    credentials: Credentials,
    state: State,
    network: Network,
    *,
    cgroup: str,
    dns: str,
    node_ready: Callable[[], bool],
) -> Component:
    """Runs the pods. Ready when it is healthy and its Node object says Ready."""
    settings = kubelet_settings(credentials, state, network, cgroup=cgroup, dns=dns)
    content = yaml.safe_dump(settings)
    config = keep_private(state.config / "kubelet.yaml", content)
    argv = flags(
        program,
        config=config,
        kubeconfig=credentials.kubeconfigs["kubelet"],
        root_dir=KUBELET,
        hostname_override=NODE_NAME,
        node_ip=network.node_address,
    )
    healthy = http_probe(network.node_address, _HEALTH_PORT, "/healthz")
    return Component("kubelet", argv, lambda: healthy() and node_ready(), settings=content)


def kubelet_settings(
    credentials: Credentials, state: State, network: Network, *, cgroup: str, dns: str
) -> dict[str, Any]:
    """The KubeletConfiguration. It takes any machine as it is: swap, a full disk, old cgroups."""
    serving = credentials.kubelet_server
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node_address,
        "healthzBindAddress": network.node_address,
        "healthzPort": _HEALTH_PORT,
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(credentials.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": [dns],
        "clusterDomain": DEFAULT_DOMAIN,
        "resolvConf": str(state.config / "resolv.conf"),
        "podLogsDir": str(private_folder(state.folder / "pod-logs")),
        "volumePluginDir": str(private_folder(state.folder / "volume-plugins")),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxPods": 250,
        "serializeImagePulls": False,
        # How soon pods see changes of their Secrets and ConfigMaps: kubelet hears of them at once,
        # and writes them to volumes when it next looks at the pod.
        "configMapAndSecretChangeDetectionStrategy": "Watch",
        "syncFrequency": "10s",
        # Images come from this machine, and could not be had again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": dict.fromkeys(
            ("nodefs.available", "nodefs.inodesFree", "imagefs.available"), "0%"
        ),
    }


def is_node_ready(api: AdminApi) -> bool:
    """Whether the Node object says so, and pods have the service account that they need."""
    try:
        node = api.request("GET", f"/api/v1/nodes/{NODE_NAME}")
        api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
    except ApiRefusedError:
        return False
    return _is_true(node, "Ready")


def forget_readiness(api: AdminApi) -> None:
    """Let nobody take the last words of a node that was stopped for the present.

    Called before kubelet starts: the node is unknown and its pods are not ready until kubelet, who
    finds all their containers gone, says otherwise.
    """
    for path, unknown in [(f"/api/v1/nodes/{NODE_NAME}", "Unknown"), *_ready_pods(api)]:
        condition = {"type": "Ready", "status": unknown, "reason": "NodeStarting", "message": ""}
        patch = {"status": {"conditions": [condition]}}
        try:
            api.request("PATCH", f"{path}/status", patch, kind="strategic-merge-patch+json")
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise


def _ready_pods(api: AdminApi) -> list[tuple[str, str]]:
    pods = api.request("GET", f"/api/v1/pods?fieldSelector=spec.nodeName={NODE_NAME}")["items"]
    named = [
        (pod["metadata"]["namespace"], pod["metadata"]["name"])
        for pod in pods
        if _is_true(pod, "Ready")
    ]
    return [(f"/api/v1/namespaces/{namespace}/pods/{name}", "False") for namespace, name in named]


def _is_true(item: dict[str, Any], condition: str) -> bool:
    conditions = item["status"].get("conditions", ())
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)
