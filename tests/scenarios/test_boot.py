"""A proxy's boot on a real node: token, key and request on disk, a certificate through the Service,
then TLS 1.3 between two workloads that verify each other as strictly as openssl can.
"""

import hashlib
import json
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from linkerd.delivery.tree import ROOT
from tests.support.meshed import PROXY_COMMAND, Meshed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]

DIRECTORY = "/var/run/linkerd/identity/end-entity"


def linkerd(meshed: Meshed, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`linkerd`, as a user has it."""
    (flag,) = meshed.kubectl.command[1:]
    return subprocess.run(
        [sys.executable, "-m", "linkerd.cli.main", *arguments, flag],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_both_ends_verify_each_other(meshed: Meshed) -> None:
    """The client's proxy counts connections in which it saw the server's identity, and the server
    said that it saw the client's."""
    (pod,) = meshed.pods("client")
    deadline = time.monotonic() + 60
    report = meshed.report(pod)
    while report.get("good", 0) < 20:
        assert time.monotonic() < deadline, report
        time.sleep(0.5)
        report = meshed.report(pod)
    assert report.get("bad", 0) == 0, report
    (server,) = meshed.pods("server")
    report = meshed.report(server)
    assert report["served"] >= 20
    assert report.get("bad", 0) == 0, report


def test_key_and_request_are_private_and_in_memory(meshed: Meshed) -> None:
    (pod,) = meshed.pods("server")
    files = [f"{DIRECTORY}/key.p8", f"{DIRECTORY}/csr.der"]
    said = meshed("exec", pod, "--", "stat", "-c", "%a %u %n", *files)
    assert said.splitlines() == [f"600 2102 {file}" for file in files]
    assert meshed("exec", pod, "--", "stat", "-f", "-c", "%T", DIRECTORY).strip() == "tmpfs"


def test_the_proxy_is_the_first_process(meshed: Meshed) -> None:
    """The program before it has become it."""
    (pod,) = meshed.pods("server")
    said = meshed("exec", pod, "--", "cat", "/proc/1/cmdline")
    assert tuple(said.split("\0")[:2]) == PROXY_COMMAND


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on PATH")
def test_openssl_verifies_what_the_proxy_shows(
    meshed: Meshed, anchors: str, tmp_path: Path
) -> None:
    """The certificate that `linkerd identity` fetches from the pod, below the chain it serves."""
    (pod,) = meshed.pods("server")
    shown = linkerd(meshed, "identity", pod, "-n", meshed.namespace, "-o", "pem")
    assert shown.returncode == 0, shown.stderr
    (tmp_path / "leaf.pem").write_text(shown.stdout)
    (tmp_path / "roots.pem").write_text(anchors)
    chain = meshed("exec", pod, "--", "cat", f"{DIRECTORY}/chain.pem")
    (tmp_path / "chain.pem").write_text(chain)
    for purpose in ("sslserver", "sslclient"):
        verified = subprocess.run(
            [
                "openssl", "verify", "-x509_strict", "-purpose", purpose,
                "-verify_hostname", meshed.identity("server"),
                "-CAfile", tmp_path / "roots.pem", "-untrusted", tmp_path / "chain.pem",
                tmp_path / "leaf.pem",
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert verified.stdout.strip().endswith("OK"), verified.stderr


def test_linkerd_identity_shows_every_pod(meshed: Meshed) -> None:
    selector = "app in (server, client)"
    shown = linkerd(meshed, "identity", "-n", meshed.namespace, "-l", selector, "-o", "json")
    said = json.loads(shown.stdout)

    assert shown.returncode == 0, shown.stderr
    assert {tuple(each["names"]) for each in said} == {
        (meshed.identity("client"),),
        (meshed.identity("server"),),
    }
    (pod,) = meshed.pods("client")
    text = linkerd(meshed, "identity", pod, "-n", meshed.namespace).stdout
    assert text.startswith(f"POD {pod} (1 of 1)\n\nCertificate:\n")
    assert f"DNS:{meshed.identity('client')}" in text


def test_linkerd_identity_issuer_asks_the_service(meshed: Meshed, anchors: str) -> None:
    shown = linkerd(meshed, "identity", "issuer", "--wait=60s", "-o", "json")
    said = json.loads(shown.stdout)

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert [pod["inUse"] for pod in said["pods"]] == [True]
    der = ssl.PEM_cert_to_DER_cert(anchors.strip())
    assert said["trustAnchors"][0]["sha256"] == hashlib.sha256(der).hexdigest()


def test_linkerd_check_finds_nothing_wrong(meshed: Meshed) -> None:
    shown = linkerd(meshed, "check", "--proxy", "--wait=60s", "-o", "short")
    assert (shown.returncode, shown.stdout) == (0, "Status check results are √\n"), shown.stderr
