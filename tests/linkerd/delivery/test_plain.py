"""The services as plain processes have the flags of the Deployments, but for where they are."""

import base64
import stat
from pathlib import Path

import pytest

from linkerd.delivery.objects import objects_of
from linkerd.delivery.plain import TrustFiles, plain_services
from linkerd.delivery.plain_webhooks import ServingFiles, plain_webhooks
from linkerd.delivery.tree import ROOT


def test_addresses_are_those_of_the_containers_on_loopback(tmp_path: Path) -> None:
    """But where another service is already, as all have one loopback."""
    trust = TrustFiles(tmp_path / "anchors", tmp_path / "issuer")
    serving = ServingFiles(tmp_path / "tls.crt", tmp_path / "tls.key", b"")
    services = plain_services(ROOT, tmp_path / "kubeconfig", trust, serving)
    assert {(s.name, s.protocol, s.address, s.admin_address) for s in services} == {
        ("identity", "gRPC", "127.0.0.1:8080", "127.0.0.1:9990"),
        ("destination", "gRPC", "127.0.0.1:8086", "127.0.0.1:9996"),
        ("policy", "gRPC", "127.0.0.1:8090", "127.0.0.1:9991"),
        ("validator", "HTTPS", "127.0.0.1:8443", "127.0.0.1:9997"),
    }
    for service in services:
        assert f"services.{service.name}" in service.argv
        assert any(flag.endswith("-namespace=linkerd") for flag in service.argv)
        assert f"--kubeconfig={tmp_path / 'kubeconfig'}" in service.argv
        assert (f"--issuer={trust.issuer}" in service.argv) == (service.name == "identity")
        debug = "--enable-debug-pages=true" in service.argv
        assert debug == (service.name == "destination")
        key = f"--policy-tls-key={serving.key}"
        assert (key in service.argv) == (service.name == "validator")


def test_trust_is_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "trust"
    files = TrustFiles.ensure(folder)
    key = files.issuer / "key.pem"
    before = key.read_bytes(), files.anchors.read_bytes()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert TrustFiles.ensure(folder) == files
    assert (key.read_bytes(), files.anchors.read_bytes()) == before


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_trust_that_is_not_whole_is_made_anew(tmp_path: Path, left: int) -> None:
    """However few of its files are there, or belong together."""
    files, other = TrustFiles.ensure(tmp_path / "trust"), TrustFiles.ensure(tmp_path / "other")
    paths = [files.issuer / "crt.pem", files.issuer / "key.pem", files.anchors]
    for path in paths[left:]:
        path.unlink()
    if left == len(paths):
        (other.issuer / "key.pem").replace(files.issuer / "key.pem")
    assert not files.are_good()
    assert TrustFiles.ensure(tmp_path / "trust").are_good()


def test_webhooks_are_called_on_this_machine(tmp_path: Path) -> None:
    serving = ServingFiles.make(tmp_path / "tls", ["a.linkerd.svc"])
    assert stat.S_IMODE(serving.key.stat().st_mode) == 0o600
    names = set()
    for configuration in objects_of(plain_webhooks(ROOT, 8443, serving)):
        names.add(configuration["metadata"]["name"])
        (webhook,) = configuration["webhooks"]
        bundle = base64.b64encode(serving.bundle).decode()
        assert webhook["clientConfig"] == {"url": "https://localhost:8443/", "caBundle": bundle}
        assert webhook["failurePolicy"] == "Ignore"
    assert names == {
        "linkerd-sp-validator-webhook-config", "linkerd-policy-validator-webhook-config",
    }  # fmt: skip
