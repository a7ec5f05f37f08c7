"""What every command takes and does: options before and behind its name, help, exit codes."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from linkerd.cli.main import cli
from linkerd.local.cluster import LocalCluster
from tests.support.forked import Forks, forked_linkerd

PLANE = "mesh-sys"


class _Api(BaseHTTPRequestHandler):
    """Says what was asked, and who asked, by way of a version."""

    server: "_Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        groups = self.headers.get_all("Impersonate-Group") or []
        self.server.groups.append(groups)
        label = {"app.kubernetes.io/version": "".join(self.path.split("/")[5:6])}
        item = {
            "metadata": {"labels": label},
            "spec": {"template": {"spec": {"containers": [{"args": []}]}}},
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"items": [item]}).encode())

    def log_message(self, *arguments: Any) -> None:
        del arguments


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.groups: list[list[str]] = []


@pytest.fixture
def api() -> Iterator[_Server]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, name="api", daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def config(tmp_path: Path, api: _Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kubeconfig whose current context leads nowhere, and the context `there` to the server."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("LINKERD_NAMESPACE", raising=False)
    there = f"http://127.0.0.1:{api.server_address[1]}"
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "nowhere",
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "me", "namespace": f"in-{name}"}}
            for name in ("nowhere", "there")
        ],
        "clusters": [
            {"name": "nowhere", "cluster": {"server": "http://127.0.0.1:1"}},
            {"name": "there", "cluster": {"server": there}},
        ],
        "users": [{"name": "me", "user": {}}],
    }  # fmt: skip
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(content))
    return file


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ)


def test_options_stand_before_and_behind_the_command(config: Path, api: _Server) -> None:
    flags = [f"--kubeconfig={config}", "--context=there", "-L", PLANE, "--as=ann"]
    flags += ["--as-group=a", "--as-group=b"]
    for split in range(len(flags) + 1):
        if flags[split - 1 : split] == ["-L"]:
            continue
        answer = run(*flags[:split], "version", "-o", "json", *flags[split:])
        assert json.loads(answer.output)["server"] == PLANE, split
    paths = {path.partition("?")[0] for path, _ in api.asked}
    assert paths == {f"/apis/apps/v1/namespaces/{PLANE}/deployments"}
    assert {headers["Impersonate-User"] for _, headers in api.asked} == {"ann"}


def test_groups_are_said_one_by_one(config: Path, api: _Server) -> None:
    where = (f"--kubeconfig={config}", "--context=there")
    assert run("version", *where, "--as=ann", "--as-group=a", "--as-group=b").exit_code == 0
    assert api.groups[-1] == ["a", "b"]
    run("version", *where)
    assert "Impersonate-User" not in api.asked[-1][1]
    answer = run("version", *where, "--as-group=a")
    assert answer.exit_code == 1
    assert "--as-group goes with --as" in answer.stderr


@pytest.mark.parametrize(
    ("before", "behind", "environ", "namespace"),
    [
        ([], [], {}, "linkerd"),
        ([], [], {"LINKERD_NAMESPACE": "env"}, "env"),
        (["-L", "one"], [], {"LINKERD_NAMESPACE": "env"}, "one"),
        ([], ["-L", "two"], {"LINKERD_NAMESPACE": "env"}, "two"),
        (["-L", "one"], ["--linkerd-namespace=two"], {}, "two"),
    ],
)
def test_which_namespace_counts(
    config: Path, before: list[str], behind: list[str], environ: dict[str, str], namespace: str
) -> None:
    where = [f"--kubeconfig={config}", "--context=there"]
    answer = run(*before, "version", "--short", *behind, *where, **environ)
    assert answer.output.splitlines()[-1] == namespace


def leaves(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    """The paths of all commands."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, *path, name)


LEAVES = list(leaves(cli))
LOCAL = {"completion", "dev", "help", "image", "local"}


def test_every_command_takes_the_options() -> None:
    for path in LEAVES:
        if path == ("local", "kubectl"):
            continue
        text = run(*path, "--help").output
        assert "--verbose" in text, path
        for flag in ("--context", "--as ", "--as-group", "--kubeconfig ", "-L,"):
            assert (flag in text) == (path[0] not in LOCAL), (path, flag)


def test_kubectl_keeps_its_own_options() -> None:
    assert "Global options" not in run("help", "local", "kubectl").output


@pytest.mark.parametrize("flag", ["-L", "-n"])
@pytest.mark.parametrize("name", ["Bad_NS!", "bad_ns", "", "a" * 64, "a.b", "-a"])
def test_a_namespace_that_is_none(flag: str, name: str) -> None:
    answer = run("check", f"{flag}{name}" if name.startswith("-") else flag, name)
    assert answer.exit_code == 1
    assert answer.stdout == ""
    if not name.startswith("-"):
        assert f"{name!r} is not a valid namespace" in answer.stderr


def test_a_namespace_of_the_environment_that_is_none() -> None:
    answer = run("version", "--client", LINKERD_NAMESPACE="Bad_NS!")
    assert answer.exit_code == 1
    assert "LINKERD_NAMESPACE" in answer.stderr


@pytest.mark.parametrize("address", ["", "web", ":80", "web:0", "web:x", "[::1", "a:b:c"])
def test_an_address_that_is_none(address: str) -> None:
    answer = run("dg", "ep", "web.shop.svc.cluster.local", f"--destination-addr={address}")
    assert answer.exit_code == 1
    assert f"{address!r} is no address" in answer.stderr


@pytest.mark.parametrize(
    "words", [(), ("help",), ("-h",), ("--help",)]
)  # fmt: skip
def test_help_is_no_error(words: tuple[str, ...]) -> None:
    answer = run(*words)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.startswith("Usage: ")
    assert "diagnostics  Look at" in answer.stdout


@pytest.mark.parametrize("group", ["diagnostics", "dg", "local", "image"])
def test_a_group_alone_explains_itself(group: str) -> None:
    answer = run(group)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.startswith("Usage: ")


@pytest.mark.parametrize("path", [*LEAVES, ("diagnostics",), ("dg", "ep")])
def test_help_of_a_command(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # With a cluster of this user's `local kubectl` would become kubectl, in place of this process.
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    answer = run("help", *path)
    assert answer.exit_code == 0
    assert answer.output == run(*path, "--help").output or path == ("local", "kubectl")


@pytest.mark.parametrize("words", [("nope",), ("check", "x"), ("dg", "nope")])
def test_help_of_no_command(words: tuple[str, ...]) -> None:
    answer = run("help", *words)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert f"has no command {words[-1]!r}" in answer.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("nope",), ("--nope",), ("check", "--nope"), ("check", "extra"), ("check", "-o", "xml"),
        ("check", "--wait=soon"), ("completion",), ("dg", "nope"), ("dg", "ep"), ("identity",),
        ("identity", "-n", "shop"), ("local", "up", "--as=ann"), ("version", "-o"),
    ],
)  # fmt: skip
def test_wrong_usage(words: tuple[str, ...]) -> None:
    answer = run(*words)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert "Error: " in answer.stderr


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    with forked_linkerd(tmp_path) as forks:
        yield forks


def test_verbose_shows_on_standard_error_what_is_asked(forks: Forks, tmp_path: Path) -> None:
    words = ("version", "-o", "json", f"--kubeconfig={tmp_path}/none")
    quiet, verbose = forks.start(*words).done(), forks.start("--verbose", *words).done()
    assert quiet.errors == ""
    assert "does not exist" in verbose.errors
    assert json.loads(verbose.output) == json.loads(quiet.output)
    assert forks.start("--verbose").done().output.startswith("Usage: linkerd ")


def test_a_reader_that_leaves_is_no_traceback() -> None:
    script = f"{sys.executable} -m linkerd.cli.main help local | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: ")
    assert done.stderr == ""


@pytest.mark.integration  # kubectl comes with the cluster's programs
def test_a_parent_that_ignores_its_children(config: Path, tmp_path: Path) -> None:
    """Their ends would be nobody's, and kubectl's failure a success."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    kubectl.chmod(0o700)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "linkerd.cli.main", "profile", "--template", "web"),
            *(f"--kubeconfig={config}", "--context=there"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KUBEBUILDER_ASSETS": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "broken" in done.stderr
    assert "Unknown child" not in done.stderr


@pytest.mark.integration  # likewise
def test_the_namespace_is_that_of_the_context(config: Path) -> None:
    answer = run(
        "profile", "--template", "--ignore-cluster", "web", f"--kubeconfig={config}",
        "--context=there",
    )  # fmt: skip
    assert "namespace: in-there" in answer.output


def test_kubectl_is_told_all_of_it(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, kubectl = tmp_path / "said", tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\necho "$@" >> {said}\nexit 1\n')
    kubectl.chmod(0o700)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    flags = (f"--kubeconfig={config}", "--context=there", "--as=ann", "--as-group=a")
    answer = run(*flags, "diagnostics", "-L", PLANE, "endpoints", "web.shop.svc.cluster.local")
    assert answer.exit_code == 1
    assert said.read_text().split() == [
        *flags, f"--namespace={PLANE}", "port-forward", "--address=127.0.0.1",
        "deployment/linkerd-destination", ":8086",
    ]  # fmt: skip


@pytest.mark.integration
def test_as_somebody_who_may_not(api_cluster: LocalCluster, namespace: str) -> None:
    """A real API server takes us for whom we say we are."""
    where = ("-L", namespace, f"--kubeconfig={api_cluster.kubeconfig}")
    answer = run("diagnostics", "controller-metrics", *where, "--as=ann")
    assert answer.exit_code == 1
    assert 'User "ann" cannot list resource "pods"' in answer.stderr
    answer = run("dg", "controller-metrics", *where, "--as=ann", "--as-group=system:masters")
    assert "no pod of the control plane runs" in answer.stderr
