"""`linkerd identity`, against objects in an API server where nothing runs.

What pods answer is tested where there are pods: tests/scenarios/test_rotation.py.
"""

import base64
import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from linkerd.cli.main import cli
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY, ISSUER
from tests.support.certificates import Credentials

pytestmark = pytest.mark.integration

GOOD = Credentials.make()


@pytest.fixture
def api(api_cluster: LocalCluster) -> Iterator[AdminApi]:
    with api_cluster.api() as api:
        yield api


def store(api: AdminApi, namespace: str, credentials: Credentials, anchors: bytes = b"") -> None:
    root = f"/api/v1/namespaces/{namespace}"
    bundle = (anchors or credentials.anchor.certificate_pem).decode()
    api.apply(
        f"{root}/configmaps/{ANCHORS}",
        {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ANCHORS},
            "data": {ANCHORS_KEY: bundle},
        },
    )  # fmt: skip
    files = {
        "tls.crt": credentials.issuer.certificate_pem, "tls.key": credentials.issuer.key_pem,
    }  # fmt: skip
    api.apply(
        f"{root}/secrets/{ISSUER}",
        {
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": ISSUER},
            "data": {name: base64.b64encode(value).decode() for name, value in files.items()},
        },
    )  # fmt: skip


def run(cluster: LocalCluster, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["identity", *arguments, f"--kubeconfig={cluster.kubeconfig}"])


def test_the_issuer_as_json(api: AdminApi, api_cluster: LocalCluster, namespace: str) -> None:
    store(api, namespace, GOOD)
    answer = run(api_cluster, "issuer", "-L", namespace, "-o", "json")
    said = json.loads(answer.output)

    assert answer.exit_code == 0
    assert said["form"] == "kubernetes.io/tls"
    assert said["issuer"]["subject"] == "CN=identity.mesh-sys.corp.example"
    assert said["issuer"]["issuedBy"] == "CN=root.mesh-sys.corp.example"
    assert said["issuer"]["key"] == "ECDSA P-256"
    (anchor,) = said["trustAnchors"]
    assert anchor["subject"] == "CN=root.mesh-sys.corp.example"
    assert (said["problem"], said["pods"]) == (None, [])


def test_the_issuer_as_text(api: AdminApi, api_cluster: LocalCluster, namespace: str) -> None:
    store(api, namespace, GOOD)
    lines = run(api_cluster, "issuer", "-L", namespace).output.splitlines()

    assert lines[0] == f"Issuer: Secret {namespace}/{ISSUER} (kubernetes.io/tls)"
    assert any(line.endswith("(364 days left)") or "365 days left" in line for line in lines)
    assert "Leads to a trust anchor: yes" in lines
    assert "In use: no, there are no identity pods" in lines
    assert "PRIVATE" not in "\n".join(lines)


def test_an_issuer_that_does_not_fit(
    api: AdminApi, api_cluster: LocalCluster, namespace: str
) -> None:
    store(api, namespace, GOOD, anchors=Credentials.make().anchor.certificate_pem)
    answer = run(api_cluster, "issuer", "-L", namespace)

    assert answer.exit_code == 1
    assert "Leads to a trust anchor: no, ConfigMap" in answer.output
    assert "has the name of whoever issued CN=identity.mesh-sys.corp.example" in answer.output


def test_waiting_for_pods_that_do_not_come(
    api: AdminApi, api_cluster: LocalCluster, namespace: str
) -> None:
    store(api, namespace, GOOD)
    assert run(api_cluster, "issuer", "-L", namespace, "--wait=10ms").exit_code == 1


def test_no_issuer(api_cluster: LocalCluster, namespace: str) -> None:
    answer = run(api_cluster, "issuer", "-L", namespace)
    assert answer.exit_code == 1
    missing = f"Error: ConfigMap {namespace}/{ANCHORS}: it does not exist"
    assert answer.output.startswith(missing)


@pytest.mark.parametrize("words", [(), ("web", "-l", "app=web")])
def test_pods_or_a_selector(api_cluster: LocalCluster, words: tuple[str, ...]) -> None:
    answer = run(api_cluster, *words)
    assert answer.exit_code == 1
    assert "name pods, or give a label selector" in answer.output


def test_no_such_pod(api_cluster: LocalCluster, namespace: str) -> None:
    answer = run(api_cluster, "web", "-n", namespace)
    assert answer.exit_code == 1
    assert f"there is no pod web in namespace {namespace}" in answer.output
    answer = run(api_cluster, "-l", "app=web", "-n", namespace)
    assert f"no pods in namespace {namespace} match 'app=web'" in answer.output


def test_a_pod_without_a_proxy(api: AdminApi, api_cluster: LocalCluster, namespace: str) -> None:
    spec = {"containers": [{"name": "app", "image": "x"}]}
    metadata = {"name": "issuer-of-books", "labels": {"app": "web"}}
    api.request(
        "POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": metadata, "spec": spec}
    )
    answer = run(api_cluster, "-n", namespace, "-l", "app=web", "-o", "json")

    assert answer.exit_code == 1
    assert json.loads(answer.output) == [{"pod": "issuer-of-books", "error": "it has no proxy"}]


def test_help_names_both_uses() -> None:
    answer = CliRunner().invoke(cli, ["identity", "--help"])
    assert answer.exit_code == 0
    assert "linkerd identity -n shop -l app=web" in answer.output
