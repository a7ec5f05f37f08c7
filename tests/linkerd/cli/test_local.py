"""`linkerd local`, against the API server that the tests share, and one of its own."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from linkerd.cli.main import cli
from linkerd.local.cluster import LocalCluster
from linkerd.local.requirements import node_obstacle
from linkerd.local.state import STATE_VARIABLE


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["local", *map(str, arguments)])


@pytest.mark.integration
def test_a_cluster_from_up_to_down(tmp_path: Path) -> None:
    state, kubeconfig = tmp_path / "state", tmp_path / "out" / "kubeconfig"
    try:
        up = invoke("up", "--api-only", "--state", state, "--kubeconfig-out", kubeconfig)

        assert up.exit_code == 0, up.output
        assert f"export KUBECONFIG={kubeconfig}" in up.output
        assert "Starting etcd and the API server" in up.output
        assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
        assert kubeconfig.read_bytes() == (state / "kubeconfig").read_bytes()

        assert invoke("down", "--state", state).output == "The cluster is stopped.\n"
        stopped = invoke("status", "--state", state)
        assert stopped.exit_code == 1
        assert stopped.output.count("stopped") == 2
    finally:
        down = invoke("down", "--delete", "--state", state)
    assert down.output == "The cluster is deleted.\n"
    assert not state.exists()


@pytest.mark.integration
def test_status(api_cluster: LocalCluster) -> None:
    table = invoke("status", "--state", api_cluster.state)
    listed = json.loads(invoke("status", "-o", "json", "--state", api_cluster.state).output)

    assert table.exit_code == 0
    assert [line.split()[:2] for line in table.output.splitlines()] == [
        ["COMPONENT", "CONDITION"],
        ["etcd", "ready"],
        ["kube-apiserver", "ready"],
    ]
    assert [(entry["name"], entry["condition"]) for entry in listed] == [
        ("etcd", "ready"),
        ("kube-apiserver", "ready"),
    ]
    assert all(entry["pid"] > 1 and Path(entry["log"]).exists() for entry in listed)


@pytest.mark.integration
def test_kubeconfig_and_logs(api_cluster: LocalCluster) -> None:
    content = invoke("kubeconfig", "--state", api_cluster.state)
    path = invoke("kubeconfig", "--path", "--state", api_cluster.state)
    log = invoke("logs", "etcd", "-n", "2", "--state", api_cluster.state)
    other = invoke("logs", "kubelet", "--state", api_cluster.state)

    assert content.output == api_cluster.kubeconfig.read_text()
    assert path.output == f"{api_cluster.kubeconfig}\n"
    assert len(log.output.splitlines()) == 2
    assert other.exit_code == 1
    assert "there is one of: etcd, kube-apiserver" in other.output


@pytest.mark.integration
def test_logs_are_followed(api_cluster: LocalCluster, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "thing.log"
    log.parent.mkdir()
    log.write_text("first\n")
    command = [sys.executable, "-m", "linkerd.cli.main", "local", "logs", "-f", "thing"]
    process = subprocess.Popen(
        [*command, "--state", str(tmp_path)], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        with log.open("a") as stream:
            stream.write("second\n")
        assert process.stdout.readline() == "second\n"
        process.kill()


@pytest.mark.integration
@pytest.mark.parametrize("how", ["option", "variable"])
def test_kubectl_is_passed_through(api_cluster: LocalCluster, how: str) -> None:
    option = ["--state", str(api_cluster.state)] if how == "option" else []
    environ = {STATE_VARIABLE: str(api_cluster.state)} if how == "variable" else {}
    command = [sys.executable, "-m", "linkerd.cli.main", "local", "kubectl", *option]

    def kubectl(*arguments: str) -> "subprocess.CompletedProcess[str]":
        env = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), **environ}
        return subprocess.run(
            [*command, *arguments], env=env, capture_output=True, text=True, check=False
        )

    assert "kube-system" in kubectl("get", "namespaces").stdout
    assert kubectl("get", "namespace/none").returncode == 1
    assert "kubectl controls" in kubectl("--help").stdout


@pytest.mark.integration
def test_image_for_a_cluster_without_a_node(api_cluster: LocalCluster, tmp_path: Path) -> None:
    (tmp_path / "image.tar").touch()

    answer = invoke("load-image", tmp_path / "image.tar", "--state", api_cluster.state)

    assert answer.exit_code == 1
    assert "has no node" in answer.output


def test_nothing_there(tmp_path: Path) -> None:
    status = invoke("status", "--state", tmp_path)

    assert status.exit_code == 1
    assert "start one with `linkerd local up`" in status.output
    assert invoke("down", "--state", tmp_path / "none").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["up", "--port", "80"], "--port goes with --api-only"),
        (["up", "--api-only", "--port", "0"], "between 1 and 65535"),
        (["logs"], "Missing argument"),
        (["up", "more"], "unexpected extra argument"),
        (["status", "-o", "xml"], "is not one of"),
    ],
)
def test_misuse(tmp_path: Path, arguments: list[str], said: str) -> None:
    answer = invoke(*arguments, "--state", tmp_path / "state")

    assert answer.exit_code in {1, 2}
    assert said in answer.output
    assert "Traceback" not in answer.output


@pytest.mark.skipif(not node_obstacle(), reason="a node can run here")
def test_node_that_cannot_run_is_one_sentence(tmp_path: Path) -> None:
    answer = invoke("up", "--state", tmp_path / "state")

    assert answer.exit_code == 1
    assert answer.output == f"Error: {node_obstacle()}\n"
