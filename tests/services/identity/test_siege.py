"""Calls that are made to use up memory, in small; `python -m bench.identity_siege` has them at
length, and in a pod."""

from pathlib import Path
from typing import Final

import pytest

from bench import identity, identity_siege
from bench.identity_siege import Force
from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster
from linkerd.rpc.engines import ENGINES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

FORCE = Force(seconds=4.5, in_flight=200)
"""Half a second for each kind. Such calls took 1.9 MiB each, 500 MiB in that time."""

MOST: Final = {"h2": identity_siege.MAX_RSS, "grpcio": 235 << 20}
"""Bytes of resident memory. The pod has 256 MiB; what gRPC core holds is not ours to bound."""


@pytest.mark.parametrize("engine", ENGINES)
async def test_memory_is_bounded_and_good_calls_are_answered(
    api_cluster: LocalCluster, tmp_path: Path, engine: str
) -> None:
    async with await KubeClient.connect(api_cluster.kubeconfig, user_agent="test") as client:
        requests = await identity.certify_requests(client, 3)
    flags = [f"--grpc-engine={engine}"]
    async with identity_siege.process_of(api_cluster.kubeconfig, tmp_path, flags) as there:
        siege = await identity_siege.besieged(there, requests, FORCE)
    assert siege.most <= MOST[engine]
    assert siege.good.granted > 5
    assert siege.good.refused == 0, siege.good.reasons
    assert len(siege.hostile) == 9
    assert all("OK" not in ends for ends in siege.hostile.values())
