"""The checks of a control plane, against objects in a real API server."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec

from linkerd.certificates import make_issuer, make_trust_anchor
from linkerd.check.cluster import Cluster
from linkerd.check.identity import data_plane_category, identity_category
from linkerd.check.model import Report
from linkerd.check.runner import Runner
from linkerd.cli.main import cli
from linkerd.kube.access import Access
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.runtime.clock import SystemClock
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY, ISSUER
from tests.support.certificates import (
    DOMAIN,
    Credentials,
    certificate_pem,
    key_pem,
    make_ca,
    p256,
)

pytestmark = pytest.mark.integration

GOOD = Credentials.make()
NAMES = {"linkerd.io/tls": ("crt.pem", "key.pem"), "kubernetes.io/tls": ("tls.crt", "tls.key")}


@dataclass
class Plane:
    """The objects of a control plane in a namespace of the test."""

    api: AdminApi
    cluster: LocalCluster
    namespace: str

    def put(self, plural: str, body: dict[str, Any], root: str = "/api/v1") -> None:
        path = f"{root}/namespaces/{self.namespace}/{plural}"
        self.api.request("POST", path, body)

    def anchors(self, *pems: bytes) -> None:
        data = {ANCHORS_KEY: b"".join(pems).decode()}
        self.put("configmaps", {"metadata": {"name": ANCHORS}, "data": data})

    def issuer(self, certificate: bytes, key: bytes, form: str = "linkerd.io/tls") -> None:
        values = zip(NAMES[form], (certificate, key), strict=True)
        data = {name: base64.b64encode(value).decode() for name, value in values}
        self.put("secrets", {"metadata": {"name": ISSUER}, "data": data})

    def good(self, form: str = "linkerd.io/tls") -> None:
        self.anchors(GOOD.anchor.certificate_pem)
        self.issuer(GOOD.issuer.certificate_pem, GOOD.issuer.key_pem, form)

    def pod(
        self, name: str, labels: dict[str, str], env: dict[str, str] | None = None,
        *, ready: bool = True, sidecar: bool = False,
    ) -> None:  # fmt: skip
        app: dict[str, Any] = {"name": "app", "image": "x"}
        proxy = {
            "name": "linkerd-proxy",
            "image": "x",
            "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
        }
        spec: dict[str, Any] = {"containers": [app]}
        if env is not None and sidecar:
            spec["initContainers"] = [proxy | {"restartPolicy": "Always"}]
        elif env is not None:
            spec["containers"] += [proxy]
        self.put("pods", {"metadata": {"name": name, "labels": labels}, "spec": spec})
        status = {
            "phase": "Running",
            "containerStatuses": [
                {"name": "app", "ready": ready, "restartCount": 0, "image": "x", "imageID": "x"}
            ],
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/status"
        self.api.request("PATCH", path, {"status": status}, kind="merge-patch+json")

    def components(self, *, ready: bool = True) -> None:
        for name in ("identity", "destination", "policy"):
            labels = {"linkerd.io/control-plane-component": name}
            self.pod(f"linkerd-{name}-1", labels, ready=ready)

    def check(self, *flags: str) -> Result:
        own = (f"--kubeconfig={self.cluster.kubeconfig}", f"--linkerd-namespace={self.namespace}")
        return CliRunner().invoke(cli, ["check", *own, "--wait=0s", *flags])


@pytest.fixture
def plane(api_cluster: LocalCluster, namespace: str) -> Iterator[Plane]:
    with api_cluster.api() as api:
        yield Plane(api, api_cluster, namespace)


@pytest.fixture
async def cluster(plane: Plane) -> AsyncIterator[Cluster]:
    async with Cluster(Access(plane.cluster.kubeconfig), plane.namespace) as cluster:
        yield cluster


async def identity(cluster: Cluster) -> Report:
    return await Runner(SystemClock(), wait=0).run([identity_category(cluster, SystemClock())])


def problems(report: Report) -> dict[str, str]:
    return {o.check.description: o.error for o in report.outcomes if o.error is not None}


@pytest.mark.parametrize("form", list(NAMES))
async def test_a_good_issuer_has_no_problems(plane: Plane, cluster: Cluster, form: str) -> None:
    plane.good(form)
    report = await identity(cluster)

    assert problems(report) == {}
    assert len(report.outcomes) == 8


async def config_problem(cluster: Cluster) -> str:
    report = await identity(cluster)
    assert len(report.outcomes) == 1
    assert len(report.not_run) == 7
    return problems(report)["certificate config is valid"]


async def test_missing_objects_are_named(plane: Plane, cluster: Cluster) -> None:
    missing = f"ConfigMap {plane.namespace}/{ANCHORS}: it does not exist"
    assert missing in await config_problem(cluster)
    plane.anchors(GOOD.anchor.certificate_pem)
    missing = f"Secret {plane.namespace}/{ISSUER}: it does not exist"
    assert missing in await config_problem(cluster)


async def test_a_key_of_another_issuer(plane: Plane, cluster: Cluster) -> None:
    plane.anchors(GOOD.anchor.certificate_pem)
    plane.issuer(GOOD.issuer.certificate_pem, GOOD.anchor.key_pem)
    assert "key.pem: this key does not belong" in await config_problem(cluster)


async def test_garbage_is_named_and_not_shown(plane: Plane, cluster: Cluster) -> None:
    plane.anchors(GOOD.anchor.certificate_pem)
    plane.issuer(GOOD.issuer.certificate_pem, b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n")
    problem = await config_problem(cluster)
    assert "key.pem: no PEM block" in problem
    assert "c2VjcmV0" not in problem


async def test_the_form_that_identity_was_told_must_be_there(
    plane: Plane, cluster: Cluster
) -> None:
    plane.good("linkerd.io/tls")
    labels = {"a": "b"}
    flags = ["-identity-scheme=linkerd.io/tls", "--identity-scheme=kubernetes.io/tls"]
    container = {"name": "identity", "image": "x", "args": ["identity", *flags]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    deployment = {"metadata": {"name": "linkerd-identity"}, "spec": spec}
    plane.put("deployments", deployment, "/apis/apps/v1")

    problem = await config_problem(cluster)
    assert "tls.crt: there is no such key, which form kubernetes.io/tls needs" in problem
    assert "it has crt.pem, key.pem" in problem


async def test_an_expired_issuer(plane: Plane, cluster: Cluster) -> None:
    past = datetime.now(UTC) - timedelta(days=30)
    issuer = make_issuer(DOMAIN, GOOD.anchor, lifetime=timedelta(days=1), now=past)
    plane.anchors(GOOD.anchor.certificate_pem)
    plane.issuer(issuer.certificate_pem, issuer.key_pem)
    found = problems(await identity(cluster))

    assert list(found) == ["issuer cert is within its validity period"]
    assert "has expired on" in next(iter(found.values()))


async def test_what_ends_soon_is_a_warning(plane: Plane, cluster: Cluster) -> None:
    anchor = make_trust_anchor(DOMAIN, lifetime=timedelta(days=59))
    issuer = make_issuer(DOMAIN, anchor)
    plane.anchors(anchor.certificate_pem)
    plane.issuer(issuer.certificate_pem, issuer.key_pem)
    report = await identity(cluster)

    assert report.success
    assert list(problems(report)) == [
        "trust anchors are valid for at least 60 days",
        "issuer cert is valid for at least 60 days",
    ]


async def test_a_risky_anchor_is_a_warning_and_one_that_is_no_use_beside_a_good_one(
    plane: Plane, cluster: Cluster
) -> None:
    """Neither keeps identity from signing."""
    risky, useless = (ec.generate_private_key(c) for c in (ec.SECP521R1(), ec.SECP224R1()))
    plane.anchors(
        GOOD.anchor.certificate_pem,
        certificate_pem(make_ca("risky", risky, lifetime=timedelta(days=99))),
        certificate_pem(make_ca("useless", useless, lifetime=timedelta(days=99))),
    )
    plane.issuer(GOOD.issuer.certificate_pem, GOOD.issuer.key_pem)
    report = await identity(cluster)

    assert report.success
    (said,) = problems(report).items()
    assert said[0] == "trust anchors are using supported crypto algorithm"
    assert "CN=useless" in said[1]
    assert "CN=risky" in said[1]


async def test_an_issuer_of_another_anchor(plane: Plane, cluster: Cluster) -> None:
    plane.anchors(Credentials.make().anchor.certificate_pem)
    plane.issuer(GOOD.issuer.certificate_pem, GOOD.issuer.key_pem)
    found = problems(await identity(cluster))

    assert list(found) == ["issuer cert is issued by the trust anchor"]


async def test_expired_anchors_beside_a_valid_one_are_fine(plane: Plane, cluster: Cluster) -> None:
    """As the end of a rotation leaves them: only the warning remains."""
    past = datetime.now(UTC) - timedelta(days=30)
    old = make_trust_anchor(DOMAIN, lifetime=timedelta(days=1), now=past)
    plane.anchors(old.certificate_pem, GOOD.anchor.certificate_pem)
    plane.issuer(GOOD.issuer.certificate_pem, GOOD.issuer.key_pem)
    found = problems(await identity(cluster))

    assert list(found) == ["trust anchors are valid for at least 60 days"]


async def test_no_anchor_that_is_valid(plane: Plane, cluster: Cluster) -> None:
    past = datetime.now(UTC) - timedelta(days=30)
    old = make_trust_anchor(DOMAIN, lifetime=timedelta(days=1), now=past)
    plane.anchors(old.certificate_pem)
    plane.issuer(GOOD.issuer.certificate_pem, GOOD.issuer.key_pem)
    assert list(problems(await identity(cluster))) == [
        "trust anchors are within their validity period"
    ]


async def test_an_issuer_that_is_no_authority(plane: Plane, cluster: Cluster) -> None:
    key = p256()
    parent = (GOOD.anchor.certificate, GOOD.anchor.key)
    plane.anchors(GOOD.anchor.certificate_pem)
    certificate = make_ca("x", key, parent, ca=False, lifetime=timedelta(days=90))
    plane.issuer(certificate_pem(certificate), key_pem(key))
    assert "lacks CA:TRUE" in str(problems(await identity(cluster)))


async def test_proxies_with_other_anchors_are_listed(plane: Plane, cluster: Cluster) -> None:
    plane.good()
    bundle = GOOD.anchor.certificate_pem.decode()
    meshed = {"linkerd.io/control-plane-ns": plane.namespace}
    variable = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS"
    plane.pod("same", meshed, {variable: f"\n{bundle}\n\n"})
    plane.pod("none", meshed, {"OTHER": "x"})
    plane.pod("control", {**meshed, "linkerd.io/control-plane-component": "x"}, {variable: "old"})
    plane.pod("other-mesh", {"linkerd.io/control-plane-ns": "elsewhere"}, {variable: "old"})
    category = data_plane_category(cluster, "")
    assert problems(await Runner(SystemClock(), wait=0).run([category])) == {}

    plane.pod("old", meshed, {variable: "old"})
    plane.pod("native", meshed, {variable: "old"}, sidecar=True)
    report = await Runner(SystemClock(), wait=0).run([category])
    (problem,) = problems(report).values()
    assert report.success
    assert problem.splitlines()[1:] == [f"* {plane.namespace}/{name}" for name in ("native", "old")]
    category = data_plane_category(cluster, plane.namespace)
    (problem,) = problems(await Runner(SystemClock(), wait=0).run([category])).values()
    assert problem.splitlines()[1:] == ["* native", "* old"]


def test_the_command_finds_nothing_wrong(plane: Plane) -> None:
    plane.good()
    plane.components()
    answer = plane.check()

    assert answer.exit_code == 0, answer.output
    assert answer.output.endswith("\nStatus check results are √\n")
    names = [line for line in answer.output.splitlines() if line.startswith(("linkerd-", "kube"))]
    assert names == [
        "kubernetes-api", "kubernetes-version", "linkerd-existence", "linkerd-identity",
    ]  # fmt: skip


def test_the_command_says_what_is_not_ready(plane: Plane) -> None:
    plane.good()
    plane.components(ready=False)
    answer = plane.check("-o", "short")

    assert answer.exit_code == 1
    assert "pod/linkerd-identity-1 container app is not ready" in answer.output
    assert "pod/linkerd-destination-1 container app is not ready" in answer.output
    assert "linkerd-identity: 8 checks" in answer.output


def test_one_ready_pod_of_each_is_enough(plane: Plane) -> None:
    plane.good()
    plane.components()
    plane.pod("extra", {"linkerd.io/control-plane-component": "identity"}, ready=False)
    assert plane.check("-o", "short").output == "Status check results are √\n"


def test_a_component_without_pods(plane: Plane) -> None:
    plane.good()
    plane.pod("identity", {"linkerd.io/control-plane-component": "identity"})
    assert 'No running pods for "linkerd-destination"' in plane.check().output


def test_warnings_end_with_success(plane: Plane) -> None:
    plane.good()
    plane.components()
    meshed = {"linkerd.io/control-plane-ns": plane.namespace}
    plane.pod("old", meshed, {"LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS": "old"})
    answer = plane.check("--proxy", "-o", "json")
    said = json.loads(answer.output)

    assert answer.exit_code == 0
    assert said["success"] is True
    (check,) = said["categories"][-1]["checks"]
    assert said["categories"][-1]["categoryName"] == "linkerd-identity-data-plane"
    assert check["result"] == "warning"
    assert check["hint"].endswith("#l5d-identity-data-plane-proxies-certs-match-ca")


def test_a_namespace_that_is_not_there(plane: Plane) -> None:
    answer = plane.check("--linkerd-namespace=nowhere")
    assert answer.exit_code == 1
    assert 'The "nowhere" namespace does not exist' in answer.output


def test_no_cluster() -> None:
    answer = CliRunner().invoke(cli, ["check", "--kubeconfig=/no/such/file", "-o", "json"])
    said = json.loads(answer.output)
    assert answer.exit_code == 1
    (check,) = said["categories"][0]["checks"]
    assert check["description"] == "can initialize the client"
    assert "/no/such/file" in check["error"]


@pytest.mark.parametrize("flags", [["--wait=soon"], ["-o", "yaml"]])
def test_wrong_flags(flags: list[str]) -> None:
    assert CliRunner().invoke(cli, ["check", *flags]).exit_code == 1
