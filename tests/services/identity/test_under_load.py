"""What happens to clients while issuers change and API servers go away, in small; the bench does
the same at length."""

from pathlib import Path
from typing import Literal

import pytest

from bench import identity, identity_faults
from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
async def requests(api_cluster: LocalCluster) -> list[bytes]:
    async with await KubeClient.connect(api_cluster.kubeconfig, user_agent="test") as client:
        return await identity.certify_requests(client, 5)


async def test_rotation_under_load(
    api_cluster: LocalCluster, requests: list[bytes], tmp_path: Path
) -> None:
    """Eight changes of the issuer, one of them broken; no client notices."""
    rotated = await identity_faults.rotate(
        api_cluster.kubeconfig, requests, tmp_path, rate=40, changes=8
    )
    assert rotated.answers.failed == {}, rotated.answers.details
    assert (rotated.answers.torn, rotated.strangers) == (0, 0)
    assert len(rotated.answers.issuers) >= 6
    assert rotated.answers.granted > 20
    assert rotated.updated >= 7
    assert rotated.skipped >= 1


@pytest.mark.parametrize("how", ["cut", "stall"])
async def test_api_server_away(
    api_cluster: LocalCluster,
    requests: list[bytes],
    tmp_path: Path,
    how: Literal["cut", "stall"],
) -> None:
    away = await identity_faults.outage(
        api_cluster.kubeconfig, requests, tmp_path, rate=40, seconds=4, how=how
    )
    assert set(away.answers.failed) == {"UNAVAILABLE"}
    assert "API server does not answer" in away.answers.details["UNAVAILABLE"]
    assert away.answers.granted == 0
    assert away.growth_bytes < 8 << 20
    assert away.recovery_seconds < 2
    fast = sum(taken < 500 for taken in away.answers.refused_ms)
    assert fast >= 0.9 * len(away.answers.refused_ms)


async def test_the_bench_of_certificates(api_cluster: LocalCluster, tmp_path: Path) -> None:
    async with await KubeClient.connect(api_cluster.kubeconfig, user_agent="test") as client:
        taken = await identity.run(api_cluster.kubeconfig, client, tmp_path, calls=200)
    values = {figure.name: figure.value for figure in taken}
    assert values.keys() >= {"certify_per_s", "certify_p99_ms", "certify_growth_mib"}
    assert values["certify_per_s"] > 20
    assert values["certify_growth_mib"] < 30
