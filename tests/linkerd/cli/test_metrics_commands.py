"""`linkerd diagnostics controller-metrics` and `proxy-metrics`.

Pods are objects of a real API server; what runs in them is a server of the test's own, to which a
kubectl of the test's own forwards. The real way is tests/scenarios/test_diagnostics_commands.py.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from linkerd.cli import _scrape as scraping
from linkerd.cli._resources import _selector
from linkerd.cli._scrape import obfuscated
from linkerd.cli.main import cli
from linkerd.local.cluster import LocalCluster

METRICS = 'http_total{authority="web.shop",direction="in"} 3\n'


class _Metrics(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        assert self.path == "/metrics"
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(METRICS.encode())

    def log_message(self, *arguments: Any) -> None:
        del arguments


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that has metrics."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metrics)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def forwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api_cluster: LocalCluster, port: int
) -> Path:
    """Puts a kubectl on PATH that forwards to that server, for pods whose names begin with `up`,
    and is the real one for the rest. Returns the file with the arguments of the forwards."""
    said, real = tmp_path / "arguments", " ".join(map(str, api_cluster.kubectl_command([])))
    program = tmp_path / "kubectl"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'*port-forward*pod/up*) echo "$@" >> {said};'
        f' echo "Forwarding from 127.0.0.1:{port} -> 1"; exec sleep 60;;\n'
        "*port-forward*pod/slow*) exec sleep 60;;\n"
        "*port-forward*) echo 'error: no such pod' >&2; exit 1;;\n"
        f'*) shift; exec {real} "$@";;\n'
        "esac\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    return said


def add_pod(
    cluster: LocalCluster, namespace: str, name: str, *containers: Any, phase: str = "Running"
) -> None:
    labels = {"linkerd.io/control-plane-component": "x", "app": "web"}
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"containers": list(containers)}}
    with cluster.api() as api:
        path = f"/api/v1/namespaces/{namespace}/pods"
        api.request("POST", path, body)
        status = {"status": {"phase": phase}}
        api.request("PATCH", f"{path}/{name}/status", status, kind="merge-patch+json")


def container(name: str, **ports: int) -> dict[str, Any]:
    listed = [{"name": n.replace("_", "-"), "containerPort": p} for n, p in ports.items()]
    return {"name": name, "image": "x", "ports": listed}


def run(cluster: LocalCluster, *arguments: str) -> Result:
    flag = f"--kubeconfig={cluster.kubeconfig}"
    return CliRunner().invoke(cli, ["diagnostics", *arguments, flag])


@pytest.mark.integration
def test_every_admin_port_of_the_control_plane(
    api_cluster: LocalCluster, namespace: str, forwards: Path
) -> None:
    proxy = container("linkerd-proxy", linkerd_admin=4191)
    policy = container("policy", grpc=8090, policy_admin=9990)
    add_pod(
        api_cluster, namespace, "up-1", container("destination", dest_admin=9996), policy, proxy
    )
    add_pod(api_cluster, namespace, "up-2", container("identity", ident_admin=9991))
    add_pod(api_cluster, namespace, "up-3", container("web", http=80))
    add_pod(api_cluster, namespace, "done-4", container("job", job_admin=1), phase="Succeeded")
    answer = run(api_cluster, "cp-metrics", "-L", namespace)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout == (
        f"#\n# POD up-1 (1 of 2)\n# CONTAINER destination\n#\n{METRICS}\n"
        f"# CONTAINER policy\n#\n{METRICS}\n"
        f"#\n# POD up-2 (2 of 2)\n# CONTAINER identity\n#\n{METRICS}\n"
    )
    assert {tuple(line.split()[-2:]) for line in forwards.read_text().splitlines()} == {
        ("pod/up-1", ":9996"), ("pod/up-1", ":9990"), ("pod/up-2", ":9991"),
    }  # fmt: skip


@pytest.mark.integration
@pytest.mark.usefixtures("forwards")
@pytest.mark.parametrize(
    ("name", "said"), [("down", "error: no such pod"), ("slow", "no answer within 0.3 s")]
)
def test_a_pod_that_does_not_answer(
    api_cluster: LocalCluster, namespace: str, name: str, said: str
) -> None:
    add_pod(api_cluster, namespace, name, container("identity", ident_admin=9991))
    if name == "down":
        add_pod(api_cluster, namespace, "up-1", container("destination", dest_admin=9996))
    answer = run(api_cluster, "controller-metrics", "-L", namespace, "--wait=300ms")
    assert answer.exit_code == 1
    assert (METRICS in answer.stdout) == (name == "down")
    assert any(x.startswith("# ERROR ") and said in x for x in answer.stdout.splitlines())
    assert answer.stderr.startswith(f"Error: pod {name}: ")
    assert answer.stderr.count("\n") == 1


@pytest.mark.integration
@pytest.mark.usefixtures("forwards")
@pytest.mark.parametrize(
    ("patched", "value", "said"),
    [
        (_Metrics, ("status", 503), "503, message='Service Unavailable'"),
        (scraping, ("_MAX_BYTES", 10), "more than 10 bytes of metrics"),
    ],
)
def test_an_answer_that_is_no_page(
    api_cluster: LocalCluster,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    patched: Any,
    value: tuple[str, int],
    said: str,
) -> None:
    monkeypatch.setattr(patched, *value)
    add_pod(api_cluster, namespace, "up-1", container("identity", ident_admin=9991))
    answer = run(api_cluster, "controller-metrics", "-L", namespace)
    assert answer.exit_code == 1
    assert said in answer.stderr
    assert METRICS not in answer.stdout


@pytest.mark.integration
def test_no_control_plane(api_cluster: LocalCluster, namespace: str) -> None:
    answer = run(api_cluster, "controller-metrics", "-L", namespace)
    assert answer.exit_code == 1
    assert answer.stderr == f"Error: no pod of the control plane runs in namespace {namespace}\n"


@pytest.mark.integration
@pytest.mark.usefixtures("forwards")
@pytest.mark.parametrize("words", [["pod/up-1"], ["po", "up-1"], ["svc/web"]])
def test_proxies(api_cluster: LocalCluster, namespace: str, words: list[str]) -> None:
    add_pod(api_cluster, namespace, "up-1", container("linkerd-proxy", linkerd_admin=4191))
    add_pod(api_cluster, namespace, "up-2", container("web"))
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    with api_cluster.api() as api:
        path = f"/api/v1/namespaces/{namespace}/services"
        api.request("POST", path, {"metadata": {"name": "web"}, "spec": spec})
    answer = run(api_cluster, "proxy-metrics", "-n", namespace, *words)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout == f"#\n# POD up-1 (1 of 1)\n# CONTAINER linkerd-proxy\n#\n{METRICS}\n"


@pytest.mark.integration
def test_names_can_be_hidden(api_cluster: LocalCluster, namespace: str, forwards: Path) -> None:
    """Case 47 of the command line's catalogue. A port without a name is the usual one."""
    add_pod(api_cluster, namespace, "up-1", container("linkerd-proxy"))
    answer = run(api_cluster, "proxy-metrics", "-n", namespace, "pod/up-1", "--obfuscate")
    assert 'http_total{authority="' in answer.stdout
    assert "web.shop" not in answer.stdout
    assert forwards.read_text().split()[-1] == ":4191"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["deploy"], 1, "name one resource, such as pod/web-1"),
        (["pod/none"], 1, 'pods "none" not found'),
        (["nothing/x"], 1, "the server doesn't have a resource type"),
        (["ns/default"], 1, "ns/default selects no pods"),
    ],
)
def test_no_such_proxies(
    api_cluster: LocalCluster, namespace: str, words: list[str], code: int, said: str
) -> None:
    answer = run(api_cluster, "proxy-metrics", "-n", namespace, *words)
    assert answer.exit_code == code
    assert said in answer.stderr


@pytest.mark.integration
def test_a_pod_without_a_proxy(api_cluster: LocalCluster, namespace: str) -> None:
    add_pod(api_cluster, namespace, "up-1", container("web"))
    answer = run(api_cluster, "proxy-metrics", "-n", namespace, "pod/up-1")
    assert answer.exit_code == 1
    assert answer.stderr == f"Error: no pod of pod/up-1 in namespace {namespace} runs a proxy\n"


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        ({"app": "web", "tier": "1"}, "app=web,tier=1"),
        ({"matchLabels": {"app": "web"}}, "app=web"),
        (
            {
                "matchLabels": {"a": "b"},
                "matchExpressions": [
                    {"key": "k", "operator": "In", "values": ["x", "y"]},
                    {"key": "l", "operator": "NotIn", "values": ["z"]},
                    {"key": "m", "operator": "Exists"},
                    {"key": "n", "operator": "DoesNotExist"},
                ],
            },
            "a=b,k in (x,y),l notin (z),m,!n",
        ),
        ({}, ""),
    ],
)
def test_selectors(selector: dict[str, Any], text: str) -> None:
    assert _selector(selector) == text


def test_what_is_hidden() -> None:
    line = (
        'a_total{direction="out",authority="web.shop:80",dst_service="web",srv_authority="s",'
        'client_id="c\\"x",dst_namespace="shop"} 1\n'
        'b_total{server_id="",target_addr="10.0.0.1:80"} 2 # authority="kept"\n'
    )
    # The first four bytes of the SHA-256 of each value.
    assert obfuscated(line) == (
        'a_total{direction="out",authority="0b5893ba",dst_service="4b5e57f6",srv_authority="s",'
        'client_id="6e116f95",dst_namespace="8d9001d3"} 1\n'
        'b_total{server_id="e3b0c442",target_addr="e0f2af3b"} 2 # authority="kept"\n'
    )


@given(st.text(max_size=8), st.text(max_size=8))
def test_the_same_name_has_the_same_digits(one: str, other: str) -> None:
    def digits(text: str) -> str:
        found = obfuscated(f"m{{authority={json.dumps(text)}}} 1")
        value = found.removeprefix('m{authority="').removesuffix('"} 1')
        assert len(value) == 8
        return value

    assert (digits(one) == digits(other)) == (one == other)
