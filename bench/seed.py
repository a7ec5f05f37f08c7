"""Writes the dataset into an API server, many requests at a time, and flips endpoints in it.

A cluster that holds the dataset carries a ConfigMap with the dataset's digest, written last;
where it is found, nothing is written again. Creating is safe to repeat: an object that exists
is left as it is, so an interrupted run is simply run again.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator

import yaml

from bench import dataset
from bench.dataset import Item, Json, Shape
from bench.processes import ROOT, BenchError
from linkerd.kube.client import JSON, MERGE_PATCH, KubeClient
from linkerd.kube.errors import Conflict, NotFound

CONCURRENCY = 48
MARKER = "/api/v1/namespaces/default/configmaps"
MARKER_NAME = "linkerd-bench-dataset"
TIMEOUT = 60.0
CRDS = ROOT / "deploy" / "base" / "crds"
JSON_PATCH = "application/json-patch+json"


class OtherDatasetError(BenchError):
    """The cluster holds a dataset of another shape or format."""


async def send(
    client: KubeClient, method: str, path: str, body: object = None, **query: str
) -> bytes:
    """One request with a JSON body; a PATCH is a JSON merge patch unless it is a list. The query
    is never part of `path`: the client would drop it."""
    content_type = JSON
    if method == "PATCH":
        content_type = JSON_PATCH if isinstance(body, list) else MERGE_PATCH
    payload = None if body is None else json.dumps(body, separators=(",", ":")).encode()
    return await client.request(
        method, path, query=query, body=payload, content_type=content_type, timeout=TIMEOUT
    )


async def is_seeded(client: KubeClient, shape: Shape) -> bool:
    """Whether this cluster holds the dataset of this very shape."""
    try:
        marker = json.loads(await send(client, "GET", f"{MARKER}/{MARKER_NAME}"))
    except NotFound:
        return False
    if marker["data"]["digest"] != shape.digest:
        raise OtherDatasetError(
            "the cluster holds another bench dataset; remove its state directory and start again"
        )
    return True


async def seed(
    client: KubeClient,
    shape: Shape = dataset.DEFAULT,
    detail: Callable[[str], None] = lambda _: None,
) -> int:
    """Write whatever is missing; returns how many objects were sent, 0 for a seeded cluster."""
    if await is_seeded(client, shape):
        return 0
    await seed_definitions(client)
    waves = [
        list(dataset.first_wave(shape)),
        list(dataset.service_accounts(shape)),
        list(dataset.second_wave(shape)),
    ]
    report = _Counter(sum(map(len, waves)), detail)
    for wave in waves:
        await _write(client, wave, report)
    body = {"metadata": {"name": MARKER_NAME}, "data": {"digest": shape.digest}}
    await _create(client, Item(MARKER, body))
    return report.total


async def seed_definitions(client: KubeClient) -> None:
    """The CRDs that the services watch, where they are not there yet."""
    for item in _definitions():
        await _create(client, item)


def _definitions() -> Iterator[Item]:
    for file in sorted(CRDS.glob("*.yaml")):
        for body in yaml.safe_load_all(file.read_text()):
            if body["kind"] == "CustomResourceDefinition":
                yield Item("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)


class _Counter:
    """Tells how far the writing is, now and then."""

    def __init__(self, total: int, detail: Callable[[str], None]) -> None:
        self.total = total
        self._done = 0
        self._detail = detail

    def step(self) -> None:
        self._done += 1
        if self._done % 500 == 0:
            self._detail(f"{self._done:,} of {self.total:,} objects written")


async def _write(client: KubeClient, items: Iterable[Item], report: _Counter) -> None:
    """A fixed number of workers take items in turn; the first failure ends them all."""
    queue = iter(items)
    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(_work(client, queue, report))


async def _work(client: KubeClient, queue: Iterator[Item], report: _Counter) -> None:
    for item in queue:
        await _create(client, item)
        if item.status is not None:
            path = f"{item.path}/{item.name}/status"
            await send(client, "PATCH", path, {"status": item.status})
        report.step()


async def _create(client: KubeClient, item: Item) -> None:
    try:
        await send(client, "POST", item.path, item.body)
    except Conflict as error:
        if error.reason != "AlreadyExists":
            raise


class Fan:
    """A service whose endpoints are made unready and ready again, a given number at a time."""

    def __init__(self, client: KubeClient, endpoints: int) -> None:
        self._client = client
        self._ready = True
        group = "/apis/discovery.k8s.io/v1"
        name = dataset.slice_name(dataset.fan(endpoints), 0)
        self._path = f"{group}/namespaces/{dataset.namespace(0)}/endpointslices/{name}"
        self.endpoints = endpoints
        self.authority = dataset.authority(dataset.fan(endpoints), dataset.namespace(0))

    async def flip(self, changed: int = 1) -> None:
        """One write that turns the first `changed` (at most a slice's) endpoints over.

        Every second call restores what the first did, if it is given the same number.
        """
        self._ready = not self._ready
        await self._set(range(changed), self._ready)

    async def restore(self) -> None:
        """All endpoints of the first slice ready, as they were seeded."""
        self._ready = True
        await self._set(range(min(self.endpoints, dataset.SLICE_SIZE)), True)

    async def _set(self, indices: Iterable[int], ready: bool) -> None:
        patch: list[Json] = [
            {"op": "replace", "path": f"/endpoints/{index}/conditions/ready", "value": ready}
            for index in indices
        ]
        await send(self._client, "PATCH", self._path, patch)
