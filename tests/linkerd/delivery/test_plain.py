"""The services as plain processes have the flags of the Deployments, but for where they are."""

import stat
from pathlib import Path

import pytest

from linkerd.delivery.plain import TrustFiles, plain_services
from linkerd.delivery.tree import ROOT


def test_addresses_are_those_of_the_containers_on_loopback(tmp_path: Path) -> None:
    trust = TrustFiles(tmp_path / "anchors", tmp_path / "issuer")
    services = plain_services(ROOT, tmp_path / "kubeconfig", trust)
    assert {(s.name, s.address, s.admin_address) for s in services} == {
        ("identity", "127.0.0.1:8080", "127.0.0.1:9990"),
        ("destination", "127.0.0.1:8086", "127.0.0.1:9996"),
    }
    for service in services:
        assert f"services.{service.name}" in service.argv
        assert "-controller-namespace=linkerd" in service.argv
        assert f"--kubeconfig={tmp_path / 'kubeconfig'}" in service.argv
        assert (f"--issuer={trust.issuer}" in service.argv) == (service.name == "identity")
        debug = "--enable-debug-pages=true" in service.argv
        assert debug == (service.name == "destination")


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
