"""`linkerd diagnostics` against the control plane on a real node, through real port-forwards."""

import json
import subprocess
import sys
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]

KEYS = {"namespace", "ip", "port", "pod", "service", "weight", "http2", "labels"}


def linkerd(kubectl: Kubectl, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`linkerd diagnostics`, as a user has it."""
    (flag,) = kubectl.command[1:]
    return subprocess.run(
        [sys.executable, "-m", "linkerd.cli.main", "diagnostics", *arguments, flag],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def pods(kubectl: Kubectl, component: str) -> list[Any]:
    """Those of a component that are not on their way out."""
    found = kubectl.list("pods", "linkerd", f"linkerd.io/control-plane-component={component}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def test_t202_endpoints_of_every_service_of_the_control_plane(delivered: Kubectl) -> None:
    """T202: one entry each, with all keys, and it is the pod that Kubernetes knows."""
    services = delivered.list("services", "linkerd")
    assert len(services) >= 4
    for service in services:
        name, (port, *_) = service["metadata"]["name"], service["spec"]["ports"]
        authority = f"{name}.linkerd.svc.cluster.local:{port['port']}"
        answer = linkerd(delivered, "endpoints", authority, "-o", "json")
        assert answer.returncode == 0, answer.stderr
        (endpoint,) = json.loads(answer.stdout)
        component = service["spec"]["selector"]["linkerd.io/control-plane-component"]
        (pod,) = pods(delivered, component)
        assert endpoint.keys() >= KEYS
        assert endpoint["pod"] == pod["metadata"]["name"]
        assert endpoint["ip"] == pod["status"]["podIP"]
        served = {p["name"]: p["containerPort"] for p in pod["spec"]["containers"][0]["ports"]}
        assert (endpoint["namespace"], endpoint["port"]) == ("linkerd", served[port["targetPort"]])
        assert endpoint["service"] == f"{name}.linkerd"
        assert endpoint["labels"]["serviceaccount"] == f"linkerd-{component}"


def test_several_authorities_and_one_pod_that_is_asked(delivered: Kubectl) -> None:
    (pod,) = pods(delivered, "destination")
    authorities = [
        f"linkerd-{name}.linkerd.svc.cluster.local:{port}"
        for name, port in (("dst", 8086), ("identity", 8080))
    ]
    flag = f"--destination-pod={pod['metadata']['name']}"
    answer = linkerd(delivered, "endpoints", *authorities, flag)
    assert answer.returncode == 0, answer.stderr
    header, first, blank, second = answer.stdout.splitlines()
    assert header.split() == ["NAMESPACE", "IP", "PORT", "POD", "SERVICE"]
    assert (first.split()[-1], blank, second.split()[-1]) == (
        "linkerd-dst.linkerd", "", "linkerd-identity.linkerd",
    )  # fmt: skip
    answer = linkerd(delivered, "endpoints", *authorities, "--destination-pod=none")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "none" in answer.stderr


def test_the_policy_of_a_service_and_of_nobody(delivered: Kubectl) -> None:
    answer = linkerd(delivered, "policy", "-n", "demo", "svc/books", "8080", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    (route,) = json.loads(answer.stdout)["protocol"]["detect"]["http1"]["routes"]
    (backend,) = route["rules"][0]["backends"]["first_available"]["backends"]
    path = backend["backend"]["balancer"]["discovery"]["dst"]["path"]
    assert path == "books.demo.svc.cluster.local:8080"
    answer = linkerd(delivered, "policy", "-n", "demo", "pod/nobody", "8080")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == (
        "Policy API error: workload: no Pod demo/nobody in the mesh (NOT_FOUND)\n"
    )


def test_t203_a_malformed_authority(delivered: Kubectl) -> None:
    """T203."""
    answer = linkerd(delivered, "endpoints", "foo")
    assert answer.returncode == 1
    first = answer.stderr.splitlines()[0]
    assert first.startswith('Destination API error: path: invalid authority "foo"')


def test_profile_of_a_service_and_of_a_pod(delivered: Kubectl) -> None:
    (pod,) = pods(delivered, "identity")
    name = "linkerd-identity.linkerd.svc.cluster.local"
    answer = linkerd(delivered, "profile", f"{name}:8080", "-o", "json")
    assert json.loads(answer.stdout)["fully_qualified_name"] == name
    answer = linkerd(delivered, "profile", f"{pod['status']['podIP']}:8080", "-o", "json")
    endpoint = json.loads(answer.stdout)["endpoint"]
    assert endpoint["addr"] == {"ip": pod["status"]["podIP"], "port": 8080}


def test_controller_metrics(delivered: Kubectl) -> None:
    """Of every container with an admin port, each a page that Prometheus would take."""
    answer = linkerd(delivered, "controller-metrics", "--wait=60s")
    assert answer.returncode == 0, answer.stderr
    heads = [x for x in answer.stdout.splitlines() if x.startswith(("# POD ", "# CONTAINER "))]
    containers = {
        "destination": "endpoints_pods",
        "identity": "issuer_cert_ttl_seconds",
        "policy": "policy_views",
        "sp-validator": "https_connections",
    }
    names = [p["metadata"]["name"] for component in containers for p in pods(delivered, component)]
    assert heads == [
        head
        for number, (name, container) in enumerate(zip(names, containers, strict=True), start=1)
        for head in (f"# POD {name} ({number} of {len(names)})", f"# CONTAINER {container}")
    ]
    pages = answer.stdout.split("# CONTAINER ")[1:]
    for page, known in zip(pages, containers.values(), strict=True):
        text = page.partition("\n")[2]
        families = {family.name for family in text_string_to_metric_families(text)}
        assert "process_resident_memory_bytes" in families
        assert known in families


PROXY = "printf 'up{authority=\"web.shop\"} 1\\n' > /tmp/metrics; exec httpd -f -p 4191 -h /tmp"


def test_proxy_metrics(delivered: Kubectl, node_namespace: str, busybox: str) -> None:
    """Of both pods of a deployment whose proxies are web servers with one page."""
    container = {
        "name": "linkerd-proxy", "image": busybox, "command": ["/bin/busybox", "sh", "-c", PROXY],
        "ports": [{"name": "linkerd-admin", "containerPort": 4191}],
        "readinessProbe": {"tcpSocket": {"port": 4191}, "periodSeconds": 1},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }  # fmt: skip
    labels = {"app": "web"}
    spec = {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": node_namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }  # fmt: skip
    delivered.create(deployment, doing="making web")
    flag = f"--namespace={node_namespace}"
    delivered(flag, "rollout", "status", "deployment/web", "--timeout=120s")
    answer = linkerd(delivered, "proxy-metrics", flag, "deploy/web")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count('up{authority="web.shop"} 1') == 2
    answer = linkerd(delivered, "proxy-metrics", flag, "deploy/web", "--obfuscate")
    assert "web.shop" not in answer.stdout
