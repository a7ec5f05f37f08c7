"""The API server is out of reach of all pods, for longer than any probe waits, while pods of the
control plane run and while new ones start: none is restarted, and all are right soon after.

The node's firewall refuses what pods send to the API server, and the rest of the cluster goes on:
so the new pods are scheduled, and kubelet tells what it does with them.

LINKERD_TEST_AWAY_SECONDS keeps it away for longer, from a minute on with the probes as they are
deployed.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import grpc
import pytest

from linkerd.delivery.kubectl import Kubectl
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.labels import SERVICE_NAME
from tests.support.updates import Updates

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600), pytest.mark.xdist_group("demo")]

AWAY: Final = float(os.environ.get("LINKERD_TEST_AWAY_SECONDS", "20"))
SHORT: Final = 60.0
"""Below that the new pods have probes that give up within seconds, instead of minutes."""
DEPLOYMENTS: Final = ("linkerd-destination", "linkerd-identity", "linkerd-policy")
IN_STEP: Final = 5.0
"""Seconds from the return to the first change that streams hear; goal 2 on a free machine."""
READY: Final = 10.0
"""Seconds from the return until the new pods are Ready, kubelet's probe and report included."""

_log = logging.getLogger(__name__)  # shown with --log-cli-level=INFO


def test_no_pod_is_restarted_and_all_are_right_soon_after(
    node_cluster: LocalCluster, delivered: Kubectl, destination: grpc.Channel, node_namespace: str
) -> None:
    put(delivered, node_namespace, "10.4.0.1")
    before = restarts(delivered)
    old = set(before)
    with (
        Updates(destination, f"away.{node_namespace}.svc.cluster.local:8080") as updates,
        as_before(delivered),
    ):
        updates.wait(lambda them: them == {"10.4.0.1:8080"})
        with api_server_away(node_cluster):
            roll(delivered)
            until(lambda: len(started(delivered) - old) == len(DEPLOYMENTS), "new pods started", 60)
            put(delivered, node_namespace, "10.4.0.2")
            begun = time.monotonic()
            while time.monotonic() - begun < AWAY:
                assert ready(delivered) == old
                assert updates.seen[-1].removed == frozenset()
        back = time.monotonic()
        heard = updates.wait(lambda them: them == {"10.4.0.2:8080"}) - back
        try:
            until(lambda: len(ready(delivered) - old) == len(DEPLOYMENTS), "the new pods ready", 60)
        except AssertionError as error:
            raise AssertionError(f"{error}: {restarts(delivered)}\n{said(delivered)}") from None
        took = time.monotonic() - back
        _log.info("away %.0f s: heard %.1f s, Ready %.1f s after the return", AWAY, heard, took)
        after = restarts(delivered)
        assert after == {**dict.fromkeys(after, 0), **before}
        assert heard < IN_STEP
        assert took < READY


@contextmanager
def api_server_away(cluster: LocalCluster) -> Iterator[None]:
    """Meanwhile nothing passes between pods and the API server: whoever sends gets a reset. Pods
    that only listen find out by their keepalive, after 15 s."""
    refused = ("-j", "REJECT", "--reject-with", "tcp-reset")
    no_reset = ("--tcp-flags", "RST", "NONE")  # those have to go out
    rules = (
        ("INPUT", "-i", "veth+", "-p", "tcp", "--dport", "6443", *refused),
        ("OUTPUT", "-o", "veth+", "-p", "tcp", "--sport", "6443", *no_reset, *refused),
    )
    with ExitStack() as afterwards:
        for rule in rules:
            cluster.on_node("iptables", "-w", "-I", *rule)
            afterwards.callback(cluster.on_node, "iptables", "-w", "-D", *rule)
        yield


def put(kubectl: Kubectl, namespace: str, address: str) -> None:
    """A Service whose only endpoint has this address."""
    meta = {"name": "away", "namespace": namespace}
    port = {"name": "http", "port": 8080}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [port]}}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": {SERVICE_NAME: "away"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [port],
    }
    both = {"apiVersion": "v1", "kind": "List", "items": [service, slice_]}
    kubectl.apply(json.dumps(both), doing="putting an endpoint there")


def roll(kubectl: Kubectl) -> None:
    """Starts a new pod beside each old one, which stays until the new one has served for long."""
    for name in DEPLOYMENTS:
        component = name.removeprefix("linkerd-")
        container: dict[str, Any] = {"name": component, "env": [{"name": "ROLL", "value": "1"}]}
        if AWAY < SHORT:
            container["startupProbe"] = {"failureThreshold": 18}
            container["livenessProbe"] = {"periodSeconds": 2, "failureThreshold": 5}
        template = {"spec": {"containers": [container]}}
        patch(kubectl, name, {"minReadySeconds": 60, "template": template})


@contextmanager
def as_before(kubectl: Kubectl) -> Iterator[None]:
    """Afterwards the Deployments are what they were, and ready."""
    try:
        yield
    finally:
        for name in DEPLOYMENTS:
            patch(kubectl, name, {"minReadySeconds": 0})
            kubectl("rollout", "undo", f"deployment/{name}", "--namespace=linkerd")
        for name in DEPLOYMENTS:
            kubectl(
                "rollout", "status", f"deployment/{name}", "--namespace=linkerd", "--timeout=2m"
            )


def patch(kubectl: Kubectl, deployment: str, spec: dict[str, Any]) -> None:
    kubectl(
        "patch",
        "deployment",
        deployment,
        "--namespace=linkerd",
        "--patch",
        json.dumps({"spec": spec}),
    )


def pods(kubectl: Kubectl) -> dict[str, dict[str, Any]]:
    """Those of the control plane that are not being deleted: the status of each by its name."""
    found = kubectl.list("pods", "linkerd", "linkerd.io/control-plane-component")
    living = [dict(pod) for pod in found if "deletionTimestamp" not in pod["metadata"]]
    return {pod["metadata"]["name"]: pod["status"] for pod in living}


def containers(status: dict[str, Any]) -> list[dict[str, Any]]:
    """What kubelet says of a pod's containers; nothing before it has begun."""
    found: list[dict[str, Any]] = status.get("containerStatuses", [])
    return found


def started(kubectl: Kubectl) -> set[str]:
    """The pods whose container runs."""
    return {
        name
        for name, status in pods(kubectl).items()
        if any("running" in container["state"] for container in containers(status))
    }


def ready(kubectl: Kubectl) -> set[str]:
    """The pods that are Ready."""
    return {
        name
        for name, status in pods(kubectl).items()
        if any(container["ready"] for container in containers(status))
    }


def restarts(kubectl: Kubectl) -> dict[str, int]:
    """How often kubelet has restarted the container of a pod."""
    return {
        name: sum(container["restartCount"] for container in containers(status))
        for name, status in pods(kubectl).items()
    }


def said(kubectl: Kubectl) -> str:
    """The last that each pod has logged."""
    selector = "--selector=linkerd.io/control-plane-component"
    return kubectl("logs", selector, "--namespace=linkerd", "--prefix", "--tail=20")


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
