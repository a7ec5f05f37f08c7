"""What `make run` promises: all pods ready, logs readable, the demo at work, nothing done twice."""

import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from linkerd.delivery.errors import KubectlError
from linkerd.delivery.install import Images, install
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.progress import SilentProgress
from tests.support.admission.cases import network_authentication
from tests.support.admission.profiles import budget

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]

GRPCURL = Path(sys.executable).with_name("grpcurl")
DIGESTS = """
import hashlib, json, pathlib, linkerd, services
folders = {m.__name__: pathlib.Path(m.__file__).parent for m in (linkerd, services)}
print(json.dumps({
    f"{name}/{file.relative_to(folder)}": hashlib.sha256(file.read_bytes()).hexdigest()
    for name, folder in folders.items()
    for file in folder.rglob("*.py")
    if "stubs" not in file.parts
}))
"""


def pods(kubectl: Kubectl, namespace: str) -> dict[str, bool]:
    """Name and readiness of every pod that is not on its way out."""
    return {
        pod["metadata"]["name"]: all(c["ready"] for c in pod["status"]["containerStatuses"])
        for pod in kubectl.list("pods", namespace)
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_every_pod_is_ready(delivered: Kubectl) -> None:
    control_plane, demo = pods(delivered, "linkerd"), pods(delivered, "demo")
    names = {name.rsplit("-", 2)[0] for name in control_plane}
    services = ("identity", "destination", "policy", "sp-validator")
    assert names == {f"linkerd-{name}" for name in services}
    assert len(demo) == 8
    assert all([*control_plane.values(), *demo.values()])


@pytest.mark.parametrize("service", ["identity", "destination", "policy", "sp-validator"])
def test_logs_are_readable(delivered: Kubectl, service: str) -> None:
    said = delivered("logs", "--namespace=linkerd", f"deployment/linkerd-{service}")
    assert "ready" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("service", ["identity", "destination", "policy", "sp-validator"])
def test_services_run_without_privilege(delivered: Kubectl, service: str) -> None:
    """What the manifests ask for is what the kernel grants; the image has the project in it."""
    source = (
        "import os, linkerd.stubs.proxy.destination_pb2;"
        "capabilities = open('/proc/1/status').read().split('CapEff:')[1].split()[0];"
        "print(os.getuid(), os.access('/', os.W_OK), capabilities, sep=',')"
    )
    said = delivered(
        "exec", "--namespace=linkerd", f"deployment/linkerd-{service}", "--", "python", "-c", source
    )
    assert said.strip() == "2103,False,0000000000000000"


@pytest.mark.parametrize("service", ["identity", "destination", "policy", "sp-validator"])
def test_services_run_the_code_of_this_tree(delivered: Kubectl, service: str) -> None:
    """And no older one that a builder's cache had."""
    said = delivered(
        "exec",
        "--namespace=linkerd",
        f"deployment/linkerd-{service}",
        "--",
        "python",
        "-c",
        DIGESTS,
    )
    folders = {"linkerd": ROOT / "linkerd", "services": ROOT / "services"}
    here = {
        f"{name}/{file.relative_to(folder)}": hashlib.sha256(file.read_bytes()).hexdigest()
        for name, folder in folders.items()
        for file in folder.rglob("*.py")
        if "stubs" not in file.parts
    }
    assert json.loads(said) == here


def test_the_demo_is_at_work(delivered: Kubectl) -> None:
    """The load generator reaches all five replicas of the back ends, through cluster DNS."""
    deadline = time.monotonic() + 60
    lines: list[str] = []
    while not lines:
        assert time.monotonic() < deadline
        said = delivered("logs", "--namespace=demo", "deployment/load", "--tail=20")
        lines = re.findall(r"visits good=[1-9]\d* bad=0 replicas=5", said)
        time.sleep(0 if lines else 1)


def test_a_second_install_changes_nothing(delivered: Kubectl, images: Images) -> None:
    before = pods(delivered, "linkerd") | pods(delivered, "demo")
    assert install(ROOT, delivered, images, SilentProgress()).changed == ()
    assert pods(delivered, "linkerd") | pods(delivered, "demo") == before


def test_the_api_server_asks_the_validator(delivered: Kubectl) -> None:
    """By both Services, whose certificates the install has made."""
    metadata = {"name": "books.demo.svc.cluster.local", "namespace": "demo"}
    for body, says in (
        (budget(ttl="soon"), "RetryBudget has an invalid TTL"),
        (network_authentication(), "spec.networks: must have at least one network"),
    ):
        wrong = json.dumps(body | {"metadata": metadata})
        with pytest.raises(KubectlError, match=f"denied the request: .*{says}"):
            delivered("create", "--dry-run=server", "--filename=-", stdin=wrong)


def test_grpcurl_knows_the_methods(delivered: Kubectl) -> None:
    service = delivered.find("service", "linkerd-dst", "linkerd")
    assert service is not None
    done = subprocess.run(
        [
            GRPCURL, "-plaintext", "-max-time", "2",
            "-d", '{"path": "prices.demo.svc.cluster.local:7000"}',
            f"{service['spec']['clusterIP']}:8086",
            "io.linkerd.proxy.destination.Destination/Get",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    first, _ = json.JSONDecoder().raw_decode(done.stdout)
    labels = [addr["metric_labels"]["deployment"] for addr in first["add"]["addrs"]]
    assert labels == ["prices", "prices"]
