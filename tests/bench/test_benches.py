"""The benches run end to end, small: real API server, real destination, real load."""

from pathlib import Path

import pytest

from bench import (
    change_cost,
    churn,
    cluster,
    extremes,
    fanout_figures,
    get1000,
    policy_outbound,
    relist,
    rolling,
    startup,
)
from bench.dataset import Shape
from bench.fanout import Crowd
from bench.figures import Figure
from bench.least_squares import Fit
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import SilentProgress

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SMALL = Shape(namespaces=1, services_per_namespace=2, pods_per_service=10, nodes=3, fans=(3, 20))


async def test_start_up_and_fan_out_of_a_small_cluster(
    own_api_cluster: LocalCluster, tmp_path: Path
) -> None:
    async with cluster.seeded(own_api_cluster.kubeconfig, SilentProgress(), SMALL) as where:
        taken = await startup.run(where, tmp_path, runs=1)
        for spread in (False, True):
            shape = Crowd(streams=30, connections=3, endpoints=20, spread=spread)
            taken += await fanout_figures.run(where, tmp_path, shape, count=2)
        apart = Crowd(streams=30, connections=30, endpoints=20)
        taken += await extremes.connections(where, tmp_path, apart, count=2)
        taken += await extremes.streams(where, tmp_path, apart, count=2)
        cells = await change_cost.measure(
            where, tmp_path, SilentProgress(), endpoints=(3, 20), listeners=(10,), count=2
        )
    assert {figure.name for figure in taken} == {
        "ready_s",
        "ready_rss_mib",
        "ready_cpu_s",
        "fanout_cpu_us_per_stream",
        "fanout_kib_per_stream",
        "fanout_last_ms",
        "first_all_s",
        "first_all_cpu_s",
        "fanout_spread_cpu_us_per_stream",
        "conn5000_cpu_us_per_stream",
        "conn5000_last_ms",
        "conn5000_kib",
        "streams100k_rss_mib",
        "streams100k_last_ms",
    }
    memory = {"fanout_kib_per_stream", "conn5000_kib"}  # of so few, perhaps none
    assert all(figure.value > 0 for figure in taken if figure.name not in memory)
    loads = [(cell.endpoints, cell.listeners, cell.changed) for cell in cells]
    assert loads == [(3, 10, 1), (3, 10, 2), (20, 10, 1), (20, 10, 10)]


def _values(taken: list[Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in taken}


async def test_many_streams_on_many_endpoints_and_churn_of_a_small_cluster(
    own_api_cluster: LocalCluster, tmp_path: Path
) -> None:
    """Clients decode every endpoint, a rolling restart is one message a batch, every change of
    the churn is seen, and a list of what has not changed tells nobody anything."""
    crowd = Crowd(streams=30, connections=3, endpoints=20)
    load = churn.Churn(
        seconds=3, rate=20, services=2, endpoints=6, together=2, listeners=8, warm_up=0.5
    )
    async with cluster.seeded(own_api_cluster.kubeconfig, SilentProgress(), SMALL) as where:
        first = await get1000.run(where, tmp_path, shape=crowd, repeats=1, count=2)
        silent, sizes = SilentProgress(), {"replicas": (4, 12), "listeners": (5, 10)}
        rolled = _values(await rolling.run(where, tmp_path, silent, batch=3, **sizes))
        churned = await churn.run(where, tmp_path, load)
        relisted = await relist.run(where, tmp_path, crowd)
    assert _values(first).keys() == {
        "get1000_first_all_s",
        "get1000_first_cpu_s",
        "get1000_change_ms",
        "get1000_kib_per_stream",
    }
    assert rolled["rolling_messages_per_batch"] == 1
    assert rolled["rolling_cpu_us_per_message"] > 0
    assert _values(churned)["churn_lag_p99_ms"] > 0
    written = load.rate * load.seconds * (1 - load.warm_up)
    assert written / 2 < int(str(churned[0].at["seen"])) <= written
    assert _values(relisted)["relist_messages"] == 0
    assert int(str(relisted[0].at["lists"])) >= 6


def test_a_fit_reads_as_a_formula() -> None:
    fit = Fit({"fixed": 1000.0, "listeners": 26.4}, mean_error=0.03, worst_error=0.1)
    text = change_cost.describe("cost", fit)
    assert text == "cost = 1000 + 26.4*listeners us (mean error 3%, worst 10%)"


async def test_outbound_policies_of_a_small_cluster(
    own_api_cluster: LocalCluster, tmp_path: Path
) -> None:
    async with cluster.seeded(own_api_cluster.kubeconfig, SilentProgress(), SMALL) as where:
        shape = Crowd(streams=30, connections=3)
        taken = await policy_outbound.run(where, tmp_path, shape, count=2)
    assert {figure.name for figure in taken} == {
        "policy_outbound_first_all_s",
        "policy_outbound_first_cpu_s",
        "policy_outbound_kib_per_stream",
        "policy_outbound_change_us",
    }
    (change,) = [figure for figure in taken if figure.name == "policy_outbound_change_us"]
    assert change.at["listeners"] == 16  # two of four requests, of thirty streams
    assert change.value > 0
