"""The metrics of the program, against a real API server."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from urllib.request import urlopen

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.eventually import eventually
from tests.support.program import Program
from tests.support.prometheus import ABSENT

pytestmark = pytest.mark.integration

SOON = 30.0
"""Seconds; stamps are whole ones, so two updates need to be a second apart to differ."""


@pytest.fixture(scope="module")
def program(api_cluster: LocalCluster) -> Iterator[Program]:
    with Program(
        "services.destination",
        f"--kubeconfig={api_cluster.kubeconfig}",
        "--addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--log-format=json",
    ) as running:
        running.event("ready")
        yield running


def scrape(program: Program) -> str:
    address = program.event("admin server listens")["addr"]
    with urlopen(f"http://{address}/metrics") as response:
        text: str = response.read().decode()
    return text


def value(program: Program, series: str) -> float:
    (found,) = re.findall(rf"^{re.escape(series)} (\S+)$", scrape(program), re.MULTILINE)
    return float(found)


async def test_how_late_updates_are(
    program: Program, api_cluster: LocalCluster, namespace: str
) -> None:
    numbers, path = count(), f"/api/v1/namespaces/{namespace}/services"
    with api_cluster.api() as api:
        service = {"metadata": {"name": "ledger"}, "spec": {"ports": [{"port": 80}]}}
        api.request("POST", path, service)

        def told() -> bool:
            labels = {"number": str(next(numbers))}
            change = {"metadata": {"labels": labels}}
            api.request("PATCH", f"{path}/ledger", change, kind="merge-patch+json")
            return value(program, "services_informer_lag_seconds_count") > 0

        await eventually(told, "a lag", SOON)
    observed = value(program, "services_informer_lag_seconds_count")
    assert 0 <= value(program, "services_informer_lag_seconds_sum") < 10 * observed


async def test_what_is_known(program: Program, api_cluster: LocalCluster, namespace: str) -> None:
    before = value(program, 'service_cache_size{cluster="local"}')
    with api_cluster.api() as api:
        service = {"metadata": {"name": "vault"}, "spec": {"ports": [{"port": 80}]}}
        api.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    await eventually(
        lambda: value(program, 'service_cache_size{cluster="local"}') > before, "one more", SOON
    )
    age = 'kube_reflector_age_seconds{cluster="local",namespace="",resource="services"}'
    assert 0 <= value(program, age) < 200
    assert value(program, "cluster_store_size") == 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason=ABSENT)
def test_prometheus_can_read_all_of_it(program: Program) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=scrape(program),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr
    odd = {line.split()[0] for line in done.stderr.splitlines()}
    assert odd <= {"endpoints_updates", "profile_updates", "workload_updates"}, done.stderr
