"""The program as it is deployed, with the rights of its ServiceAccount: it keeps slices, answers
from them, and hands the Lease over when it ends."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from services.destination.workloads.names import LEASE
from tests.support.destination.program import ROOT, connect, known
from tests.support.eventually import eventually
from tests.support.program import Program

pytestmark = pytest.mark.integration

METAL: dict[str, Any] = {
    "apiVersion": "workload.linkerd.io/v1beta1",
    "kind": "ExternalWorkload",
    "metadata": {"name": "m1", "labels": {"app": "ledger"}},
    "spec": {
        "meshTLS": {"identity": "spiffe://cluster.local/m1", "serverName": "m1.metal.test"},
        "workloadIPs": [{"ip": "192.0.2.40"}],
        "ports": [{"port": 8080}],
    },
}
SERVICE: dict[str, Any] = {
    "metadata": {"name": "ledger"},
    "spec": {"selector": {"app": "ledger"}, "ports": [{"port": 80, "targetPort": 8080}]},
}
WORKLOADS = "/apis/workload.linkerd.io/v1beta1/namespaces/fin/externalworkloads"
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def deployed_kubeconfig(cluster: LocalCluster, directory: Path) -> Path:
    """Installs what the program needs; a kubeconfig of its ServiceAccount."""
    for manifest in ("namespace", "crds/externalworkloads", "destination/rbac"):
        cluster.kubectl("apply", "-f", str(ROOT / f"deploy/base/{manifest}.yaml"))
    crd = "crd/externalworkloads.workload.linkerd.io"
    cluster.kubectl("wait", "--for=condition=Established", crd)
    cluster.kubectl("create", "namespace", "fin")
    token = cluster.kubectl("create", "token", "linkerd-destination", "--namespace=linkerd").strip()
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    content["users"][0]["user"] = {"token": token}
    path = directory / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def start(kubeconfig: Path, hostname: str) -> Program:
    """A replica, in what it takes for a pod of that name."""
    return Program(
        "services.destination",
        f"--kubeconfig={kubeconfig}",
        "--addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--log-format=json",
        environ={"HOSTNAME": hostname, "KUBERNETES_SERVICE_HOST": "127.0.0.1"},
    )


def holder(api: AdminApi) -> str:
    lease = api.request("GET", f"/apis/coordination.k8s.io/v1/namespaces/linkerd/leases/{LEASE}")
    return str(lease["spec"]["holderIdentity"])


def metric(program: Program, name: str) -> str:
    """The value of a series, as text."""
    with urlopen(f"http://{program.event('admin server listens')['addr']}/metrics") as page:
        lines: list[str] = page.read().decode().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(name))


async def test_replicas_with_their_own_rights(
    own_api_cluster: LocalCluster, tmp_path: Path
) -> None:
    kubeconfig = await asyncio.to_thread(deployed_kubeconfig, own_api_cluster, tmp_path)
    with own_api_cluster.api() as api, start(kubeconfig, "destination-a") as first:
        await asyncio.to_thread(first.event, "leading")
        assert holder(api) == "destination-a"
        with start(kubeconfig, "destination-b") as second:
            await asyncio.to_thread(second.event, "another replica leads")
            api.request("POST", "/api/v1/namespaces/fin/services", SERVICE)
            api.request("POST", WORKLOADS, METAL)
            api.request("PATCH", f"{WORKLOADS}/m1/status", READY, kind="merge-patch+json")
            async with connect(second) as client:
                stream = client.get(await known(client, "ledger.fin.svc.cluster.local:80"))
                await stream.until("192.0.2.40")
                assert metric(first, 'workload_slices_writes_total{operation="create"}') == "1.0"
                assert metric(first, "leader_election_master_status") == "1.0"
                assert metric(first, "workqueue_drops_total") == "0.0"
                assert metric(second, "leader_election_master_status") == "0.0"

                assert await asyncio.to_thread(first.terminate) == 0, first.log
                await asyncio.to_thread(second.event, "leading")
                assert holder(api) == "destination-b"
                ip = {"spec": {"workloadIPs": [{"ip": "192.0.2.41"}]}}
                api.request("PATCH", f"{WORKLOADS}/m1", ip, kind="merge-patch+json")
                await stream.until("192.0.2.41")
                api.request("DELETE", f"{WORKLOADS}/m1")
                await stream.until()
            assert await asyncio.to_thread(second.terminate) == 0, second.log
        await eventually(lambda: not holder(api), "the Lease to be free")
        for program in (first, second):
            assert "Traceback" not in program.log
            assert not [e for e in program.entries if "forbidden" in str(e.get("error", ""))]
