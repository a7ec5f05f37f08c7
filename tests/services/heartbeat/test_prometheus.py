"""The figures, asked of a real Prometheus; and the whole job with everything up."""

import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from yarl import URL

from linkerd.local.cluster import LocalCluster
from linkerd.version import VERSION
from services.heartbeat.errors import NoValueError
from services.heartbeat.fetch import open_session
from services.heartbeat.model import QUESTIONS, Question
from services.heartbeat.prometheus import Prometheus, read_figures
from tests.support.jobs import run_job
from tests.support.recorder import Recorder, answer

FIGURES = {
    "total-rps": "13",  # 3 proxies with 4.2 each: 12.6
    "meshed-pods": "3",
    "p99-handle-us": "1500",
    "proxy-injector-injections": "42",
    "max-mem-linkerd-proxy": "40000000",
    "max-mem-destination": "90000000",
    "max-mem-prometheus": "700000000",
    "p95-cpu-linkerd-proxy": "0.123",  # 0.12345
    "p95-cpu-destination": "0.046",
    "p95-cpu-prometheus": "0.200",
}


async def _figures(url: str, *questions: Question) -> dict[str, str]:
    async with open_session() as session:
        prometheus = Prometheus(session, URL(url), 10.0)
        return dict(await read_figures(prometheus, questions or QUESTIONS))


async def _ask(url: str, query: str) -> float:
    async with open_session() as session:
        return await Prometheus(session, URL(url), 10.0).ask(query)


@pytest.mark.integration
async def test_h1_all_sources_up_sends_everything_sorted(
    prometheus_url: str, api_cluster: LocalCluster, control_plane: str, account: Path
) -> None:
    extension = f"acme-{control_plane}"
    api_cluster.kubectl("label", "ns", control_plane, f"linkerd.io/extension={extension}")
    _create_profiles(api_cluster, control_plane, "web", "cart")
    async with Recorder(answer(200, b'{"stable":"stable-2.90.0"}')) as endpoint:
        job = await run_job(
            "services.heartbeat",
            f"-kubeconfig={account}",
            f"-prometheus-url={prometheus_url}",
            f"-controller-namespace={control_plane}",
            f"-endpoint-url={endpoint.url}/version.json",
            "-log-format=json",
        )

    assert (job.code, job.complaints, job.out) == (0, [], ""), job.err
    (request,) = endpoint.requests
    target = urlsplit(request.target)
    sent = dict(parse_qsl(target.query, strict_parsing=True))
    assert (request.method, request.body) == ("GET", b"")
    assert {name.lower() for name, _ in request.headers} == {"host", "accept", "accept-encoding"}
    assert request.target == f"/version.json?{urlencode(sorted(sent.items()))}"
    assert int(sent.pop("service-profile-count")) >= 2
    others = {name for name in sent if name.startswith("ext-")} - {f"ext-{extension}"}
    assert {name: text for name, text in sent.items() if name not in others} == {
        **FIGURES,
        **_expected_facts(api_cluster, control_plane),
        f"ext-{extension}": "1",
        "arch": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "source": "heartbeat",
        "version": VERSION,
    }
    urls = [entry["url"] for entry in job.entries if "url" in entry]
    assert urls == [f"{endpoint.url}{request.target}"]
    assert any(entry.get("detail") == '{"stable":"stable-2.90.0"}' for entry in job.entries)


def _create_profiles(cluster: LocalCluster, namespace: str, *names: str) -> None:
    with cluster.api() as api:
        for name in names:
            path = f"/apis/linkerd.io/v1alpha2/namespaces/{namespace}/serviceprofiles"
            metadata = {"name": f"{name}.{namespace}.svc.cluster.local"}
            kind = {"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile"}
            api.request("POST", path, {**kind, "metadata": metadata, "spec": {"routes": []}})


def _expected_facts(cluster: LocalCluster, namespace: str) -> dict[str, str]:
    """Read with kubectl, independently of our client."""
    columns = "jsonpath={.metadata.uid} {.metadata.creationTimestamp}"
    uid, created = cluster.kubectl(
        "get", "configmap", "linkerd-config", "-n", namespace, "-o", columns
    ).split()
    server = re.search(r"Server Version: (\S+)", cluster.kubectl("version"))
    assert server is not None
    since = datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return {
        "uuid": uid,
        "install-time": str(int(since.timestamp())),
        "k8s-version": server[1],
    }


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("nobody_has_this", "0 samples"),
        ('request_total{pod="web-1"}', "2 samples"),
        ("vector(0) / 0", "not a number"),
        ("scalar(vector(1))", "scalar"),
        ("up[1m]", "matrix"),
        ('"text"', "string"),
        ("sum(", "400"),
    ],
)
async def test_h4_results_that_are_not_one_number_are_left_out(
    prometheus_url: str, query: str, why: str
) -> None:
    with pytest.raises(NoValueError, match=why):
        await _ask(prometheus_url, query)
    asked = Question("bad", query), Question("good", "vector(1)")
    assert await _figures(prometheus_url, *asked) == {"good": "1"}


async def test_h4_infinity_is_a_number(prometheus_url: str) -> None:
    asked = Question("above", "vector(1) / 0"), Question("below", "vector(-1) / 0")
    assert await _figures(prometheus_url, *asked) == {"above": "+Inf", "below": "-Inf"}


async def test_h5_figures_are_rounded(prometheus_url: str) -> None:
    assert await _ask(prometheus_url, QUESTIONS[0].query) == pytest.approx(12.6)
    assert await _ask(prometheus_url, QUESTIONS[-3].query) == pytest.approx(0.12345)
    figures = await _figures(prometheus_url)
    assert (figures["total-rps"], figures["p95-cpu-linkerd-proxy"]) == ("13", "0.123")
