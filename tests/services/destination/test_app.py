"""The program: its flags, and how it starts or says why it does not."""

import inspect
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from structlog.testing import capture_logs

from linkerd.runtime.errors import SettingsError
from linkerd.runtime.settings import load
from services.destination.app import Settings, mesh_of
from services.destination.metrics import IndexCollector
from tests.support.destination.world import DOMAIN, World
from tests.support.program import Program

MODULE = "services.destination"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: nobody
clusters: [{name: nobody, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: nobody, context: {cluster: nobody, user: nobody}}]
users: [{name: nobody, user: {}}]
"""


def settings(*flags: str) -> Settings:
    return load(Settings, flags, {}, prog="destination")


def mesh(*flags: str) -> tuple[Any, list[str]]:
    """The mesh, and what was said about the flags."""
    with capture_logs() as logs:
        made = mesh_of(settings(*flags))
    return made, [entry["event"] for entry in logs]


DOMAINS = ("-cluster-domain=mesh.test", "-identity-trust-domain=trust.mesh.test")


def manual() -> str:
    return Path(inspect.getfile(Settings)).with_name("README.md").read_text()


class TestFlags:
    def test_upstreams_manifest(self) -> None:
        """The arguments of upstream's own Deployment, dash for dash."""
        made, said = mesh(
            "-addr=:8086", "-controller-namespace=mesh-sys",
            "-outbound-transport-mode=transport-header", "-enable-h2-upgrade=true",
            "-log-level=info", "-log-format=plain", "-enable-endpoint-slices=true",
            *DOMAINS, "-default-opaque-ports=25,587,4444-4446", "-enable-ipv6=false",
            "-enable-pprof=false",
            '--meshed-http2-client-params={"keep_alive":{"interval":{"seconds":10}}}',
            "-stream-queue-capacity=100", "-export-queue-metrics=true", "-trace-collector=",
        )  # fmt: skip
        assert said == []
        assert made.identities.workload("a", "b").endswith("mesh-sys.trust.mesh.test")
        assert made.cluster_domain == "mesh.test"
        assert made.transport_header
        assert not made.ipv6
        assert 4445 in made.opaque_ports

    def test_defaults(self) -> None:
        given = settings()
        assert (str(given.addr), str(given.admin_addr)) == (":8086", ":9996")
        assert settings("--admin-addr=:1").admin_addr == settings("-metrics-addr=:1").admin_addr
        made, said = mesh()
        assert (made.cluster_domain, made.identities.trust_domain) == ("cluster.local",) * 2
        assert sorted(said) == [
            "--cluster-domain is not set; cluster.local holds",
            "--identity-trust-domain is not set; cluster.local holds",
        ]
        assert made.identities.controller_namespace == "linkerd"
        assert made.h2_upgrade
        assert made.ipv6
        assert not made.transport_header

    def test_what_is_odd_is_said_and_replaced(self) -> None:
        odd = ("-default-opaque-ports=25,banana", "-outbound-transport-mode=teleport")
        made, said = mesh(*DOMAINS, *odd)
        assert 25 in made.opaque_ports
        assert not made.transport_header
        assert len(said) == 2

    @pytest.mark.parametrize(
        "flag",
        [
            "--enable-endpoint-slices=false",
            "--stream-queue-capacity=0",
            "--cluster-domain=Mesh.test.",
            "--identity-trust-domain=a b",
        ],
    )
    def test_what_cannot_be(self, flag: str) -> None:
        with pytest.raises(SettingsError, match=flag.partition("=")[0]):
            mesh(flag)

    def test_malformed_http2_params(self) -> None:
        with pytest.raises(SettingsError, match="--meshed-http2-client-params"):
            settings("--meshed-http2-client-params={")

    def test_help(self) -> None:
        command = [sys.executable, "-m", MODULE, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert "--outbound-transport-mode" in done.stdout

    def test_unknown_flag(self) -> None:
        command = [sys.executable, "-m", MODULE, "--cluster-domian=x"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "unknown flag --cluster-domian; did you mean --cluster-domain?" in done.stderr


class TestManual:
    def test_it_lists_every_flag(self) -> None:
        flags = ["--" + each.name.replace("_", "-") for each in fields(Settings)]
        assert [flag for flag in flags if f"`{flag}`" not in manual()] == []

    def test_it_lists_every_metric_of_the_index(self) -> None:
        families = IndexCollector(World().index, DOMAIN).collect()
        assert [f.name for f in families if f"`{f.name}" not in manual()] == []


@pytest.fixture
def admin_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def page(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}") as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def start(kubeconfig: Path, admin_port: int, *flags: str) -> Program:
    return Program(
        MODULE,
        f"--kubeconfig={kubeconfig}",
        "--addr=127.0.0.1:0",
        f"--admin-addr=127.0.0.1:{admin_port}",
        "--log-format=json",
        *flags,
    )


class TestStart:
    def test_without_an_api_server_it_lives_unready(self, tmp_path: Path, admin_port: int) -> None:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG)
        with start(kubeconfig, admin_port) as program:
            program.event(
                "out of touch with the API server; the last known state stays in use",
                resource="pods",
            )
            assert page(admin_port, "/ping") == (200, "pong\n")
            code, text = page(admin_port, "/ready")
            assert code == 500
            assert "caches" in text
            assert program.terminate() == 0

    def test_without_a_kubeconfig_it_says_so(self, tmp_path: Path, admin_port: int) -> None:
        with start(tmp_path / "nothing", admin_port) as program:
            assert program.wait() == 1
        assert "nothing" in program.log
        assert "Traceback" not in program.log

    def test_wrong_settings_end_it(self, tmp_path: Path, admin_port: int) -> None:
        with start(tmp_path, admin_port, "--stream-queue-capacity=0") as program:
            assert program.wait() != 0
        assert "--stream-queue-capacity must be above 0" in program.log
        assert "Traceback" not in program.log
