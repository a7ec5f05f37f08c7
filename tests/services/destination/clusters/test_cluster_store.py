"""Linked clusters as their Secrets come, change and go: a real API server on the other side, and
Secrets that the tests hand over themselves. Ids of the catalogue: T154, T155, N15, N16."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample
from structlog.testing import capture_logs

from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import Secret
from linkerd.kube.reflector_metrics import ReflectorMetrics
from linkerd.kube.store import Store
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.labels import (
    LINKED_CLUSTER_DOMAIN,
    LINKED_CLUSTER_NAME,
    LINKED_TRUST_DOMAIN,
    REMOTE_DISCOVERY,
    REMOTE_KUBECONFIG,
    REMOTE_SERVICE,
)
from services.destination.clusters import ClusterStore
from services.destination.index import NotFoundError, NotReadError
from tests.support.connections import connections
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.destination.world import EndpointStream, World
from tests.support.eventually import eventually
from tests.support.objects import meta, service
from tests.support.reflecting import ImpatientClock

pytestmark = pytest.mark.integration

NOWHERE = """
current-context: x
contexts: [{name: x, context: {cluster: x, user: x}}]
clusters: [{name: x, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: x, user: {token: secret}}]
"""


def secret(kubeconfig: Path, cluster: str = "north", name: str = "") -> Secret:
    annotations = {LINKED_TRUST_DOMAIN: "trust.north.test", LINKED_CLUSTER_DOMAIN: "north.test"}
    metadata = meta(
        name or f"cluster-credentials-{cluster}",
        "linkerd",
        labels={LINKED_CLUSTER_NAME: cluster},
        annotations=annotations,
    )
    return Secret(metadata, REMOTE_KUBECONFIG, {"kubeconfig": kubeconfig.read_bytes()})


class Here:
    """Our side: an index, a mirror of the service `ledger`, and the store."""

    def __init__(
        self, namespace: str, clock: ImpatientClock | None = None, *, slices: bool = True
    ) -> None:
        self.namespace = namespace
        self.world = World()
        self.registry = CollectorRegistry()
        self.store = ClusterStore(
            self.world.index,
            "linkerd",
            clock=clock or ImpatientClock(),
            metrics=ReflectorMetrics(self.registry),
            slices=slices,
        )
        self.mirror("north")

    def mirror(self, cluster: str) -> None:
        labels = {REMOTE_DISCOVERY: cluster, REMOTE_SERVICE: "ledger"}
        self.world.apply(service(f"ledger-{cluster}", self.namespace, labels=labels))

    def put(self, *secrets: Secret) -> None:
        self.store.on_secrets([Applied(each) for each in secrets])

    def delete(self, *secrets: Secret) -> None:
        self.store.on_secrets([Deleted(each) for each in secrets])

    def get(self, cluster: str = "north") -> EndpointStream:
        return self.world.get(f"ledger-{cluster}.{self.namespace}.svc.mesh.test:8080")

    def can_get(self, cluster: str = "north") -> bool:
        try:
            self.get(cluster).subscription.close()
        except (NotFoundError, NotReadError):
            return False
        return True

    def gauge(self, name: str, resource: str) -> list[Sample]:
        """The series of a reflectors' gauge about one resource."""
        return [
            sample
            for sample in self.series
            if sample.name == f"kube_reflector_{name}" and sample.labels["resource"] == resource
        ]

    @property
    def series(self) -> Iterator[Sample]:
        """All that is told of reflectors."""
        for family in self.registry.collect():
            yield from family.samples

    @property
    def failures(self) -> float:
        """How often lists and watches failed."""
        return sum(s.value for s in self.series if s.name == "kube_reflector_errors_total")

    @property
    def readers(self) -> int:
        """How many reflectors' gauges there are, of all clusters."""
        return len(list(self.registry.collect())[-1].samples)


@asynccontextmanager
async def running(namespace: str, **options: Any) -> AsyncIterator[Here]:
    before = connections()
    here = Here(namespace, **options)
    try:
        yield here
    finally:
        await here.store.close()
        left = [t.get_name() for t in asyncio.all_tasks() if "cluster" in t.get_name()]
        assert not left
        await eventually(lambda: connections() <= before, "all connections being closed")


def slice_of(cluster: LocalCluster, namespace: str, *ips: str) -> None:
    """Makes `ledger` of the other cluster have these endpoints."""
    manifest = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "ledger-1", "labels": {"kubernetes.io/service-name": "ledger"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [ip]} for ip in ips],
        "ports": [{"name": "", "port": 8080}],
    }
    ports = {"ports": [{"port": 8080}]}
    ledger = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ledger"}, "spec": ports}
    with cluster.api() as api:
        api.apply(f"/api/v1/namespaces/{namespace}/services/ledger", ledger)
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        api.apply(f"{slices}/ledger-1", manifest)


def living(kind: type) -> int:
    """How many of them there are, those that only a collection would free included."""
    return sum(isinstance(each, kind) for each in gc.get_objects())


def sockets(*ips: str) -> set[str]:
    return {f"{ip}:8080" for ip in ips}


async def reads(stream: EndpointStream, *ips: str) -> None:
    """Returns once the stream says so."""

    def read() -> bool:
        stream.read()
        return stream.sockets == sockets(*ips)

    await eventually(read, f"{ips} being told")


async def test_t154_a_secret_comes_and_goes(api_cluster: LocalCluster, namespace: str) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    async with running(namespace) as here:
        north = secret(api_cluster.kubeconfig)
        assert not here.can_get()
        here.put(north)
        await here.store.settled(timedelta(seconds=30))
        stream = here.get()
        await reads(stream, "10.90.0.3")
        slice_of(api_cluster, namespace, "10.90.0.4")
        await reads(stream, "10.90.0.4")
        here.delete(north)
        await eventually(lambda: not here.can_get(), "the cluster being forgotten")
        assert stream.read() == ["remove 10.90.0.4:8080"]
        await eventually(lambda: here.readers == 0, "the reflectors' series ending")


async def test_without_slices_their_endpoints_objects_are_read(
    api_cluster: LocalCluster, namespace: str
) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    manifest = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "ledger"},
        "subsets": [{"addresses": [{"ip": "10.90.0.9"}], "ports": [{"port": 8080}]}],
    }
    with api_cluster.api() as api:
        api.apply(f"/api/v1/namespaces/{namespace}/endpoints/ledger", manifest)
    async with running(namespace, slices=False) as here:
        here.put(secret(api_cluster.kubeconfig))
        await here.store.settled(timedelta(seconds=30))
        await reads(here.get(), "10.90.0.9")


async def test_t155_two_secrets_two_clusters(api_cluster: LocalCluster, namespace: str) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    async with running(namespace) as here:
        here.mirror("south")
        here.put(*(secret(api_cluster.kubeconfig, name) for name in ("north", "south")))
        await here.store.settled(timedelta(seconds=30))
        assert sorted(here.world.index.clusters.linked()) == ["north", "south"]
        for name in ("north", "south"):
            await reads(here.get(name), "10.90.0.3")


async def test_n15_a_cluster_that_is_away_is_read_when_it_comes_back(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    async with (
        CutProxy(*api_server_of(api_cluster.kubeconfig)) as proxy,
        running(namespace) as here,
    ):
        await proxy.cut()
        here.mirror("south")
        through = kubeconfig_through(api_cluster.kubeconfig, proxy, tmp_path)
        here.put(secret(api_cluster.kubeconfig, "south"))
        await here.store.settled(timedelta(seconds=30))
        here.put(secret(through))
        with capture_logs() as logs:
            await here.store.settled(timedelta(milliseconds=200))
        assert [log["waiting"] for log in logs if "waiting" in log] == [["north"]]
        await reads(here.get("south"), "10.90.0.3")
        with pytest.raises(NotReadError):
            here.get()
        proxy.heal()
        await eventually(here.can_get, "the cluster being read")
        await reads(here.get(), "10.90.0.3")


async def test_n16_new_credentials_take_over_without_a_word(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    address = api_server_of(api_cluster.kubeconfig)
    async with CutProxy(*address) as old, CutProxy(*address) as new, running(namespace) as here:
        here.put(secret(kubeconfig_through(api_cluster.kubeconfig, old, tmp_path)))
        await here.store.settled(timedelta(seconds=30))
        stream = here.get()
        await reads(stream, "10.90.0.3")
        await new.cut()
        here.put(secret(kubeconfig_through(api_cluster.kubeconfig, new, tmp_path)))
        await eventually(lambda: new.accepted > 1, "the new way being tried")
        slice_of(api_cluster, namespace, "10.90.0.4")  # heard through the old one until then
        await reads(stream, "10.90.0.4")
        new.heal()
        await eventually(lambda: old.open_connections == 0, "the old way being given up")
        assert stream.read() == []
        slice_of(api_cluster, namespace, "10.90.0.5")
        await reads(stream, "10.90.0.5")


async def test_a_secret_that_is_made_anew_at_once_is_a_rotation(
    api_cluster: LocalCluster, namespace: str
) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    clock = SlowClock()
    async with running(namespace, clock=clock) as here:
        here.put(secret(api_cluster.kubeconfig))
        await here.store.settled(timedelta(seconds=30))
        stream = here.get()
        await reads(stream, "10.90.0.3")
        here.delete(secret(api_cluster.kubeconfig))
        await eventually(lambda: clock.lingering == 1, "it being waited for")
        here.put(secret(api_cluster.kubeconfig))
        await eventually(lambda: clock.lingering == 0, "the wait being called off")
        slice_of(api_cluster, namespace, "10.90.0.4")
        await reads(stream, "10.90.0.4")
        here.delete(secret(api_cluster.kubeconfig))
        await eventually(lambda: clock.lingering == 1, "it being waited for")
        clock.go_on.set()
        await eventually(lambda: not here.can_get(), "the cluster being forgotten")


class SlowClock(ImpatientClock):
    """Long sleeps last until the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.lingering = 0
        self.go_on = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if seconds != 30.0:
            await super().sleep(seconds)
            return
        self.lingering += 1
        try:
            await self.go_on.wait()
        finally:
            self.lingering -= 1


async def test_what_a_secret_says_wrong_is_said_and_the_last_good_one_stays(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    good = secret(api_cluster.kubeconfig)
    empty = Secret(good.metadata, good.type, {})
    plugin = tmp_path / "plugin"
    plugin.write_text("users: [{name: us, user: {exec: {command: sh}}}]")
    async with running(namespace) as here:
        with capture_logs() as logs:
            here.put(empty)
            assert "it links nothing" in logs[-1]["error"]
            here.put(good)
            await here.store.settled(timedelta(seconds=30))
            here.put(empty)
            assert "the last good one stays" in logs[-1]["error"]
            here.put(secret(plugin))
            refused = "a linked cluster cannot be read; mend its Secret"
            await eventually(
                lambda: refused in (log["event"] for log in logs), "the plugin being refused"
            )
        await reads(here.get(), "10.90.0.3")


async def test_gauges_tell_of_the_reading_that_serves(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    """Credentials that lead nowhere, and then the good ones again; what was begun in between is
    freed."""
    slice_of(api_cluster, namespace, "10.90.0.3")
    good, nowhere = secret(api_cluster.kubeconfig), tmp_path / "nowhere"
    nowhere.write_text(NOWHERE)
    async with running(namespace) as here:
        here.put(good)
        await here.store.settled(timedelta(seconds=30))
        (known,) = {sample.value for sample in here.gauge("objects", "endpointslices")}
        assert known > 0
        gc.collect()  # what earlier tests left
        stores, failures = living(Store), here.failures
        here.put(secret(nowhere))
        await eventually(lambda: here.failures > failures, "the way being tried")
        assert living(Store) > stores
        (still,) = {sample.value for sample in here.gauge("objects", "endpointslices")}
        assert still > 0, "the reading that was begun knows nothing yet"
        here.put(good)
        await eventually(lambda: living(Store) == stores, "what was begun being freed")
        (after,) = {sample.value for sample in here.gauge("objects", "endpointslices")}
        assert after > 0
        here.delete(good)
        await eventually(lambda: not list(here.series), "all series of the cluster ending")


async def test_of_two_secrets_for_one_name_the_first_counts(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    slice_of(api_cluster, namespace, "10.90.0.3")
    nowhere = tmp_path / "nowhere"
    nowhere.write_text(NOWHERE)
    async with running(namespace) as here:
        with capture_logs() as logs:
            here.put(secret(nowhere, name="b"), secret(api_cluster.kubeconfig, name="a"))
        assert ["linked by Secret a already" in log.get("error", "") for log in logs] == [True]
        await here.store.settled(timedelta(seconds=30))
        await reads(here.get(), "10.90.0.3")
