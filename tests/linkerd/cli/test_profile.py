"""`linkerd profile`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from linkerd.cli.main import cli
from linkerd.local.cluster import LocalCluster
from linkerd.profiles.template import template
from linkerd.profiles.validation import validate_document

SWAGGER = """
swagger: "2.0"
basePath: /v1
paths:
  /a.b/{x}/c:
    get:
      x-linkerd-retryable: true
      responses: {"200": {}, "503": {}}
"""
PROTO = """
package shop;
service Web { rpc Look (A) returns (B) { option idempotency_level = NO_SIDE_EFFECTS; } }
"""


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["profile", *arguments], input=stdin)


def routes(answer: Result) -> Any:
    assert answer.exit_code == 0, answer.output
    validate_document(answer.stdout.encode())
    return yaml.safe_load(answer.stdout)["spec"]["routes"]


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """kubectl is there, and has no context."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


pytestmark = pytest.mark.integration  # kubectl comes with the cluster's programs


def test_openapi(tmp_path: Path) -> None:
    """A path with literal and parameter (case 29 of the command line's catalogue)."""
    file = tmp_path / "swagger.yaml"
    file.write_text(SWAGGER)
    answer = run("--open-api", str(file), "--ignore-cluster", "-n", "shop", "web")
    assert routes(answer) == [
        {
            "name": "GET /v1/a.b/{x}/c",
            "condition": {"method": "GET", "pathRegex": r"/v1/a\.b/[^/]*/c"},
            "responseClasses": [
                {"condition": {"status": {"min": 200, "max": 200}}},
                {"condition": {"status": {"min": 503, "max": 503}}, "isFailure": True},
            ],
            "isRetryable": True,
        }
    ]
    assert yaml.safe_load(answer.stdout)["metadata"] == {
        "name": "web.shop.svc.cluster.local", "namespace": "shop",
    }  # fmt: skip


def test_protobuf_from_standard_input() -> None:
    """A method without side effects is retryable (case 30)."""
    answer = run("--proto", "-", "--ignore-cluster", "web", stdin=PROTO)
    (route,) = routes(answer)
    assert route["isRetryable"] is True
    assert route["condition"] == {"method": "POST", "pathRegex": r"/shop\.Web/Look"}
    assert yaml.safe_load(answer.stdout)["metadata"]["namespace"] == "default"


def test_json() -> None:
    answer = run("--proto", "-", "--ignore-cluster", "-o", "json", "web", stdin=PROTO)
    assert json.loads(answer.stdout)["kind"] == "ServiceProfile"
    assert len(routes(answer)) == 1


def test_the_template_teaches_and_is_valid() -> None:
    answer = run("--template", "--ignore-cluster", "-n", "shop", "web")
    assert answer.stdout == template("web", "shop", "cluster.local")
    assert answer.stdout.count("#") > 10
    assert len(routes(answer)) == 2
    as_json = run("--template", "--ignore-cluster", "-n", "shop", "-o", "json", "web")
    assert json.loads(as_json.stdout) == yaml.safe_load(answer.stdout)


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--template", "--open-api", os.devnull),
        ("--template", "--proto", os.devnull),
        ("--open-api", os.devnull, "--proto", os.devnull),
    ],
)
def test_exactly_one_source(flags: tuple[str, ...]) -> None:
    """Case 28."""
    answer = run(*flags, "--ignore-cluster", "web")
    assert answer.exit_code == 1
    assert "You must specify exactly one of --template, --open-api or --proto" in answer.stderr
    assert answer.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Web"], "Error: 'Web' is not the name of a service"),
        (["web.shop"], "Error: 'web.shop' is not the name of a service"),
    ],
)
def test_names_are_labels(arguments: list[str], said: str) -> None:
    answer = run("--template", "--ignore-cluster", *arguments)
    assert answer.exit_code == 1
    assert answer.stderr.startswith(said)


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("--open-api", "openapi: 3.0.0\npaths: [1]", "paths: a mapping is expected"),
        ("--open-api", "{", "it is neither YAML nor JSON"),
        ("--proto", "service {", "line 1, column 9: '{' is not"),
    ],
)
def test_a_source_that_cannot_be_read(flag: str, text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_text(text)
    answer = run(flag, str(file), "--ignore-cluster", "web")
    assert answer.exit_code == 1
    assert answer.stderr.startswith(f"Error: {file}: {said}")
    assert answer.stderr.count("\n") == 1


def test_no_such_file() -> None:
    answer = run("--proto", "/none/web.proto", "web")
    assert answer.exit_code == 1
    assert "/none/web.proto" in answer.stderr


def test_what_is_left_out_is_said_on_standard_error(tmp_path: Path) -> None:
    file = tmp_path / "api.yaml"
    odd = "".join(f"  x{number}: {{}}\n" for number in range(30))
    file.write_text(f"paths:\n  /a: {{get: {{}}}}\n{odd}")
    answer = run("--open-api", str(file), "--ignore-cluster", "web")
    assert [route["name"] for route in routes(answer)] == ["GET /a"]
    lines = answer.stderr.splitlines()
    assert lines[0] == f"{file}: paths.x0: a path begins with a slash; it is left out"
    assert lines[20:] == [f"{file}: and 10 more of such notes"]


def test_nothing_to_make_routes_of() -> None:
    answer = run("--proto", os.devnull, "--ignore-cluster", "web")
    assert routes(answer) == []
    assert answer.stderr == f"{os.devnull} has no rpcs; the profile has no routes\n"


def test_without_a_cluster() -> None:
    answer = run("--template", "web")
    assert answer.exit_code == 1
    assert "--ignore-cluster takes cluster.local" in answer.stderr
    assert answer.stdout == ""


def deployment(*flags: str) -> dict[str, Any]:
    labels = {"app": "destination"}
    container = {"name": "destination", "image": "x", "args": ["destination", *flags]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "linkerd-destination"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "domain"),
    [
        (("-cluster-domain=mesh.test",), "mesh.test"),
        (("--cluster-domain=old.test", "-cluster-domain=mesh.test"), "mesh.test"),
        ((), "cluster.local"),
    ],
)
def test_the_domain_is_the_control_plane_s(
    api_cluster: LocalCluster, namespace: str, flags: tuple[str, ...], domain: str
) -> None:
    with api_cluster.api() as api:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        api.request("POST", path, deployment(*flags))
    cluster = ("-L", namespace, f"--kubeconfig={api_cluster.kubeconfig}")
    answer = run("--template", "-n", "shop", *cluster, "web")
    assert yaml.safe_load(answer.stdout)["metadata"]["name"] == f"web.shop.svc.{domain}"


def test_a_domain_that_is_none(api_cluster: LocalCluster, namespace: str) -> None:
    with api_cluster.api() as api:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        api.request("POST", path, deployment("-cluster-domain=Mesh.test"))
    cluster = ("-L", namespace, f"--kubeconfig={api_cluster.kubeconfig}")
    answer = run("--template", "-n", "shop", *cluster, "web")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith("Error: web.shop.svc.Mesh.test is no DNS name")


def test_no_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is not needed, unless a cluster is asked."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    for name in ("XDG_CACHE_HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    answer = run("--template", "--ignore-cluster", "web")
    assert yaml.safe_load(answer.stdout)["metadata"]["namespace"] == "default"
    answer = run("--template", "web")
    assert answer.exit_code == 1
    assert "there is no kubectl" in answer.stderr


def test_no_control_plane(api_cluster: LocalCluster, namespace: str) -> None:
    cluster = ("-L", namespace, f"--kubeconfig={api_cluster.kubeconfig}")
    answer = run("--template", *cluster, "web")
    assert answer.exit_code == 1
    assert "linkerd-destination" in answer.stderr
    assert "--ignore-cluster" in answer.stderr


def test_the_namespace_is_the_context_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": "u", "namespace": namespace}}
        for name, namespace in (("a", "one"), ("b", "two"))
    ]
    config = {"apiVersion": "v1", "kind": "Config", "current-context": "b", "contexts": contexts}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(file))
    answer = run("--template", "--ignore-cluster", "web")
    assert yaml.safe_load(answer.stdout)["metadata"]["namespace"] == "two"
