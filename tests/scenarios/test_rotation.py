"""docs/identity-rotation.md, as it is written, while two workloads meet ten times a second."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from linkerd.delivery.errors import KubectlError
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.trust.objects import ANCHORS, ISSUER
from tests.support.meshed import Meshed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900), pytest.mark.xdist_group("demo")]

DOCUMENT = ROOT / "docs" / "identity-rotation.md"
BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SECONDS = 600

# Pods get the present anchors when they are made: here from the Deployment, which is told of them
# before the document replaces its pods, as an injector would tell each pod.
PREAMBLE = """
set -euo pipefail
inject() {
  local bundle name
  bundle=$(kubectl -n linkerd get configmap %(anchors)s -o 'jsonpath={.data.ca-bundle\\.crt}')
  for name in server client; do
    kubectl -n %(namespace)s set env "deployment/$name" \
      "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS=$bundle" > /dev/null
  done
}
"""


def blocks() -> list[str]:
    """What the document tells people to type, in its order."""
    return [
        re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        for indent, text in BLOCK.findall(DOCUMENT.read_text())
    ]


def script(namespace: str) -> str:
    parts = [PREAMBLE % {"anchors": ANCHORS, "namespace": namespace}]
    for block in blocks():
        first = block.splitlines()[0]
        parts += [f"echo {json.dumps('### ' + first.split('(')[0])}"]
        parts += [re.sub(r"^(?=restart_workloads$)", "inject\n", block, flags=re.MULTILINE)]
    return "\n".join(parts)


def put(kubectl: Kubectl, found: Mapping[str, Any]) -> None:
    """Make the data of an object what it was."""
    metadata = {key: found["metadata"][key] for key in ("name", "namespace")}
    kind = {key: found[key] for key in ("apiVersion", "kind", "data")}
    kubectl(
        "apply", "--server-side", "--force-conflicts", "--filename=-",
        stdin=json.dumps({**kind, "metadata": metadata}), doing="putting back what was there",
    )  # fmt: skip


@pytest.fixture
def programs(delivered: Kubectl, tmp_path: Path) -> dict[str, str]:
    """An environment in which `kubectl` and `linkerd` are what the document means."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").symlink_to(delivered.command[0])
    linkerd = folder / "linkerd"
    linkerd.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m linkerd.cli.main "$@"\n')
    linkerd.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": delivered.command[1].partition("=")[2],
    }


@pytest.fixture
def kept(delivered: Kubectl, programs: dict[str, str]) -> Iterator[None]:
    """The cluster has its own anchors and issuer again after the test."""
    found = [
        delivered.find("configmap", ANCHORS, "linkerd"),
        delivered.find("secret", ISSUER, "linkerd"),
    ]
    yield
    for each in found:
        assert each is not None
        put(delivered, each)
    subprocess.run(
        ["linkerd", "identity", "issuer", "--wait=3m"],
        env=programs, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


class Watcher:
    """The last report of every pod of the workloads, whether or not it is still there."""

    def __init__(self, meshed: Meshed) -> None:
        self.reports: dict[str, dict[str, Any]] = {}
        self._meshed = meshed
        self._end = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()

    def total(self, what: str) -> int:
        return sum(report.get(what, 0) for report in self.reports.values())

    def _run(self) -> None:
        while not self._end.wait(1):
            for workload in ("server", "client"):
                with suppress(KubectlError):
                    self._look(workload)

    def _look(self, workload: str) -> None:
        for pod in self._meshed.pods(workload):
            with suppress(KubectlError):  # it may be gone by now, or not have begun
                self.reports[pod] = self._meshed.report(pod) or self.reports.get(pod, {})


def issuer_of(kubectl: Kubectl) -> x509.Certificate:
    found = kubectl("--namespace=linkerd", "get", "secret", ISSUER, "--output=json")
    return x509.load_pem_x509_certificate(base64.b64decode(json.loads(found)["data"]["crt.pem"]))


def key_of(certificate: x509.Certificate) -> str:
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex()


def test_the_document_has_what_is_tested() -> None:
    text = "\n".join(blocks())
    assert text.count("linkerd identity issuer --wait=5m") == 4
    assert len(re.findall(r"^restart_workloads$", text, re.MULTILINE)) == 3


def test_rotating_as_documented_breaks_no_connection(
    meshed: Meshed, delivered: Kubectl, programs: dict[str, str], kept: None, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    before = delivered.find("configmap", ANCHORS, "linkerd")
    watcher = Watcher(meshed)
    with watcher.watching():
        done = subprocess.run(
            ["bash", "-c", script(meshed.namespace)],
            cwd=work, env=programs, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        _wait_for_issuer(meshed, key_of(issuer_of(delivered)))

    after = delivered.find("configmap", ANCHORS, "linkerd")
    assert before is not None
    assert after is not None
    root = (work / "root.crt").read_text()
    assert before["data"]["ca-bundle.crt"] not in after["data"]["ca-bundle.crt"]
    assert after["data"]["ca-bundle.crt"] == root
    assert key_of(issuer_of(delivered)) == key_of(
        x509.load_pem_x509_certificate((work / "next.crt").read_bytes())
    )
    said = json.dumps(watcher.reports, indent=1)
    assert len(watcher.reports) >= 8, said  # three restarts of two workloads, and the first pods
    assert watcher.total("good") > 200, said
    for failure in ("bad", "uncertified"):
        assert watcher.total(failure) == 0, said
    # Nobody there: a matter of roll-outs, not of certificates. A busy machine may be slow to tell
    # its Services that a pod ends.
    assert watcher.total("cut") <= watcher.total("good") // 100, said
    assert "current trust bundle" not in done.stdout, done.stdout


def _wait_for_issuer(meshed: Meshed, key: str) -> None:
    """Both proxies renew within seconds."""
    deadline = time.monotonic() + 60
    for workload in ("server", "client"):
        while True:
            (pod,) = meshed.pods(workload)
            report = meshed.report(pod)
            if report.get("issuer") == key:
                break
            assert time.monotonic() < deadline, report
            time.sleep(0.5)
