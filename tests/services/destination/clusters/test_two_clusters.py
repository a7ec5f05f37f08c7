"""The program between two API servers: what is written in one is what proxies of the other hear.
Ids of the catalogue: T11, T94 to T97, T154, N15, N16."""

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.labels import LOCAL_DISCOVERY, REMOTE_DISCOVERY, REMOTE_SERVICE
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.eventually import eventually
from tests.support.followers import Crowd, Follower, followers
from tests.support.program import Program

pytestmark = pytest.mark.integration


@dataclass
class Side:
    """A namespace of a cluster."""

    api: AdminApi
    namespace: str

    def service(self, name: str, **metadata: Any) -> str:
        """Makes a service; its authority, here."""
        spec = {"ports": [{"name": "http", "port": 8080}]}
        self._put("/api/v1", "services", "v1", "Service", name, metadata, spec=spec)
        return f"{name}.{self.namespace}.svc.cluster.local:8080"

    def endpoints(self, name: str, *ips: str) -> None:
        """Makes a service have these endpoints."""
        labels = {"kubernetes.io/service-name": name}
        self._put(
            "/apis/discovery.k8s.io/v1",
            "endpointslices",
            "discovery.k8s.io/v1",
            "EndpointSlice",
            f"{name}-1",
            {"labels": labels},
            addressType="IPv4",
            endpoints=[{"addresses": [ip]} for ip in ips],
            ports=[{"name": "http", "port": 8080}],
        )

    def link(self, name: str, kubeconfig: Path) -> None:
        """Makes the Secret that links a cluster to this namespace's control plane."""
        metadata = {
            "labels": {"multicluster.linkerd.io/cluster-name": name},
            "annotations": {
                "multicluster.linkerd.io/trust-domain": f"trust.{name}.test",
                "multicluster.linkerd.io/cluster-domain": f"{name}.test",
            },
        }
        data = {"kubeconfig": base64.b64encode(kubeconfig.read_bytes()).decode()}
        kind = "mirror.linkerd.io/remote-kubeconfig"
        self._put(
            "/api/v1", "secrets", "v1", "Secret", f"{name}-link", metadata, type=kind, data=data
        )

    def delete(self, path: str) -> None:
        self.api.request("DELETE", f"/api/v1/namespaces/{self.namespace}/{path}")

    def _put(
        self,
        prefix: str,
        plural: str,
        version: str,
        kind: str,
        name: str,
        metadata: Any,
        **fields: Any,
    ) -> None:
        head = {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}}
        self.api.apply(f"{prefix}/namespaces/{self.namespace}/{plural}/{name}", head | fields)


@pytest.fixture
def here(api_cluster: LocalCluster, namespace: str) -> Iterator[Side]:
    """Our side; its namespace is the control plane's too."""
    with api_cluster.api() as api:
        yield Side(api, namespace)


@pytest.fixture
def there(other_api_cluster: LocalCluster, here: Side) -> Iterator[Side]:
    """The other side: the namespace of the same name."""
    path, manifest = f"/api/v1/namespaces/{here.namespace}", {"metadata": {"name": here.namespace}}
    with other_api_cluster.api() as api:
        api.request("POST", "/api/v1/namespaces", manifest)
        yield Side(api, here.namespace)
        api.request("DELETE", path)


@pytest.fixture
async def north(other_api_cluster: LocalCluster) -> AsyncIterator[CutProxy]:
    """The way to the other cluster."""
    async with CutProxy(*api_server_of(other_api_cluster.kubeconfig)) as proxy:
        yield proxy


@pytest.fixture
def through(other_api_cluster: LocalCluster, north: CutProxy, tmp_path: Path) -> Path:
    """A kubeconfig that takes that way."""
    return kubeconfig_through(other_api_cluster.kubeconfig, north, tmp_path)


def start(api_cluster: LocalCluster, namespace: str, *flags: str) -> Program:
    return Program(
        "services.destination",
        f"--kubeconfig={api_cluster.kubeconfig}",
        f"--controller-namespace={namespace}",
        "--linked-clusters-wait=300ms",
        "--addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--log-format=json",
        *flags,
    )


@pytest.fixture
def program(api_cluster: LocalCluster, here: Side) -> Iterator[Program]:
    with start(api_cluster, here.namespace) as running:
        yield running


@pytest.fixture
async def crowd(program: Program) -> AsyncIterator[Crowd]:
    program.event("ready")
    async with followers(f"127.0.0.1:{program.port_of('serving')}", connections=1) as some:
        yield some


async def hears(follower: Follower, *ips: str) -> None:
    await eventually(lambda: follower.ips == set(ips), f"{ips} being told", 30)


async def test_t11_t154_a_mirror_from_its_link_to_its_unlinking(
    here: Side, there: Side, through: Path, crowd: Crowd
) -> None:
    there.service("ledger")
    there.endpoints("ledger", "10.90.0.3")
    labels = {REMOTE_DISCOVERY: "north", REMOTE_SERVICE: "ledger"}
    follower = crowd.get(here.service("ledger-north", labels=labels))
    await eventually(lambda: len(follower.attempts) > 1, "the cluster not being found")
    here.link("north", through)
    await hears(follower, "10.90.0.3")
    there.endpoints("ledger", "10.90.0.3", "10.90.0.4")
    await hears(follower, "10.90.0.3", "10.90.0.4")
    here.delete("services/ledger-north")
    await hears(follower)


async def test_t94_to_t97_a_federated_service_and_its_members(
    here: Side, there: Side, through: Path, crowd: Crowd
) -> None:
    for side, ip in ((here, "10.4.0.1"), (there, "10.90.0.3")):
        side.service("ledger")
        side.endpoints("ledger", ip)
    here.link("north", through)

    def federate(remote: str, local: str) -> str:
        annotations = {REMOTE_DISCOVERY: remote, LOCAL_DISCOVERY: local}
        return here.service("ledger-federated", annotations=annotations)

    follower = crowd.get(federate("ledger@north", "ledger"))
    await hears(follower, "10.4.0.1", "10.90.0.3")
    federate("", "ledger")
    await hears(follower, "10.4.0.1")
    federate("ledger@north", "")
    await hears(follower, "10.90.0.3")
    federate("ledger@north", "ledger")
    await hears(follower, "10.4.0.1", "10.90.0.3")
    there.endpoints("ledger")
    await hears(follower, "10.4.0.1")
    assert len([each for each in follower.attempts if each.messages]) == 1


async def test_n15_n16_a_cluster_that_is_away_at_start_and_new_credentials(
    api_cluster: LocalCluster,
    other_api_cluster: LocalCluster,
    here: Side,
    there: Side,
    north: CutProxy,
    through: Path,
    tmp_path: Path,
) -> None:
    there.service("ledger")
    there.endpoints("ledger", "10.90.0.3")
    labels = {REMOTE_DISCOVERY: "north", REMOTE_SERVICE: "ledger"}
    path, plain = here.service("ledger-north", labels=labels), here.service("plain")
    here.endpoints("plain", "10.4.0.9")
    here.link("north", through)
    await north.cut()
    with Program(
        "services.destination",
        f"--kubeconfig={api_cluster.kubeconfig}",
        f"--controller-namespace={here.namespace}",
        "--linked-clusters-wait=300ms",
        "--addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--log-format=json",
    ) as program:
        program.event("linked clusters do not answer; we start without them", waiting=["north"])
        program.event("ready")
        async with followers(f"127.0.0.1:{program.port_of('serving')}", connections=1) as crowd:
            follower, other = crowd.get(path), crowd.get(plain)
            await hears(other, "10.4.0.9")
            await eventually(lambda: len(follower.attempts) > 1, "the cluster being waited for")
            north.heal()
            await hears(follower, "10.90.0.3")

            opened = len(follower.attempts)
            async with CutProxy(*api_server_of(other_api_cluster.kubeconfig)) as new:
                here.link("north", kubeconfig_through(other_api_cluster.kubeconfig, new, tmp_path))
                await north.until(lambda proxy: proxy.open_connections == 0)
                there.endpoints("ledger", "10.90.0.4")
                await hears(follower, "10.90.0.4")
                await new.cut()
                there.endpoints("ledger", "10.90.0.5")
                new.heal()
                await hears(follower, "10.90.0.5")
            assert (len(follower.attempts), follower.following) == (opened, True)


async def test_links_in_a_namespace_of_their_own(
    api_cluster: LocalCluster, here: Side, there: Side, through: Path
) -> None:
    """Of the control plane's own Secrets none is read then."""
    there.service("ledger")
    there.endpoints("ledger", "10.90.0.3")
    here.service("ledger-north", labels={REMOTE_DISCOVERY: "north", REMOTE_SERVICE: "ledger"})
    here.link("north", through)
    where = "--linked-clusters-namespace="
    with start(api_cluster, "linkerd", f"{where}{here.namespace}") as program:
        program.event("ready")
        async with followers(f"127.0.0.1:{program.port_of('serving')}", connections=1) as crowd:
            follower = crowd.get(f"ledger-north.{here.namespace}.svc.cluster.local:8080")
            await hears(follower, "10.90.0.3")


async def test_without_linked_clusters_it_says_so_and_serves(
    api_cluster: LocalCluster, here: Side, there: Side, through: Path
) -> None:
    there.service("ledger")
    here.link("north", through)
    own = here.service("ledger")
    here.endpoints("ledger", "10.4.0.1")
    labels = {REMOTE_DISCOVERY: "north", REMOTE_SERVICE: "ledger"}
    foreign = here.service("ledger-north", labels=labels)
    with start(api_cluster, here.namespace, "--enable-linked-clusters=false") as program:
        program.event("ready")
        async with followers(f"127.0.0.1:{program.port_of('serving')}", connections=1) as crowd:
            await hears(crowd.get(own), "10.4.0.1")
            unknown = crowd.get(foreign)
            await eventually(lambda: len(unknown.attempts) > 1, "the cluster not being found")
        said = [line for line in program.entries if "linked cluster" in line["event"]]
        assert [line["event"] for line in said] == [
            "linked clusters are off: --enable-linked-clusters=false"
        ]
