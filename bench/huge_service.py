"""A service of 100,000 endpoints: how long anything that happens to it holds up everybody else.

The index alone, with its encoders, on an event loop of this process. What an API server would say
is decoded as a reflector does it, a hundred objects a turn; readers take a message a turn. All the
time a neighbour's endpoints change, and somebody follows these. Alone and without a cluster:
`python -m bench.huge_service`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from bench.figures import Figure, table
from linkerd.index import LoopPace
from linkerd.kube.intake import Intake
from linkerd.runtime.gc import freeze_heap, tune_gc
from linkerd.streams import Subscription
from services.destination.index import Kind
from services.destination.resources import resources
from tests.support.destination.world import World
from tests.support.feeds import METER, watch_line
from tests.support.objects import endpoint, endpoint_slice, node, pod, proxy, server, service

ENDPOINTS: Final = 100_000
_SLICE: Final = 100  # endpoints in each, as Kubernetes' controller has it
_PART: Final = 100  # objects that a reflector decodes in a turn
_PART_BYTES: Final = 256 * 1024  # of their JSON
_CHANGES: Final = 20
_PATH: Final = "huge.fin.svc.mesh.test:8080"
_NEIGHBOUR: Final = "small.fin.svc.mesh.test:8080"
_PAUSE: Final = 0.01  # seconds between changes of the neighbour

_encode: Final = msgspec.json.Encoder().encode


@dataclass
class Waits:
    """The longest ones, in seconds: of a turn of the loop, and from a change of the neighbour to
    its message."""

    phase: str = ""
    turns: dict[str, float] = field(default_factory=dict)
    updates: dict[str, float] = field(default_factory=dict)

    def turn(self, seconds: float) -> None:
        self.turns[self.phase] = max(self.turns.get(self.phase, 0.0), seconds)

    def update(self, phase: str, seconds: float) -> None:
        self.updates[phase] = max(self.updates.get(phase, 0.0), seconds)

    @property
    def longest(self) -> float:
        return max(*self.turns.values(), *self.updates.values())


class Reader:
    """Reads a message a turn, whenever there is one."""

    def __init__(self, subscription: Subscription, heard: Callable[[bytes], None]) -> None:
        self._subscription = subscription
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        subscription.on_wake(self._soon)
        self._soon()

    def close(self) -> None:
        self._subscription.close()

    def _soon(self) -> None:
        self._loop.call_soon(self._read)

    def _read(self) -> None:
        message = self._subscription.poll()
        if message is not None:
            self._heard(message)
            self._soon()


class Cluster:
    """What is said by an API server, and how it is taken in."""

    def __init__(self) -> None:
        self.world = World(pace=LoopPace())
        self._resources = resources(slices=True)
        self._intakes: dict[Kind, Intake[Any]] = {
            kind: Intake(resource, METER) for kind, resource in self._resources.items()
        }

    async def listed(self, kind: Kind, raws: Iterable[bytes]) -> None:
        """A list is taken in."""
        intake, listen = self._intakes[kind], self.world.index.listener(kind)
        intake.begin_list()
        for part in _parts(raws):
            if events := intake.take_items(part):
                listen(events)
            await asyncio.sleep(0)
        gone = intake.unlisted()
        while keys := list(islice(gone, _PART)):
            listen(intake.take_gone(keys))
            await asyncio.sleep(0)
        intake.end_list("1")

    def said(self, kind: Kind, item: Any, what: str = "MODIFIED") -> None:
        """A watch says something."""
        line = watch_line(what, _encode(item))
        if events := self._intakes[kind].take_line(line):
            self.world.index.listener(kind)(events)

    async def in_step(self) -> None:
        """Returns when all has been computed."""
        while not self.world.index.in_step:  # noqa: ASYNC110  # which tells nobody
            await asyncio.sleep(_PAUSE)


async def _run(endpoints: int) -> tuple[Waits, float]:
    waits, story = Waits(), Story(Cluster(), endpoints)
    begun = time.perf_counter()
    tune_gc()
    freeze_heap()  # as a service does when it is ready; what comes later is not exempt
    async with _watched(waits, story.cluster):
        for phase in _PHASES:
            waits.phase = phase.__name__
            await phase(story)
            await story.cluster.in_step()
            await asyncio.sleep(3 * _PAUSE)
    return waits, time.perf_counter() - begun


class Story:
    """What happens to the service."""

    def __init__(self, cluster: Cluster, endpoints: int) -> None:
        self.cluster = cluster
        self._endpoints = endpoints
        self._readers: list[Reader] = []
        self._heard = 0

    async def read(self) -> None:
        self.cluster.said(Kind.SERVICE, _service("web"), "ADDED")
        self.cluster.said(Kind.NODE, node("n1", "z1"), "ADDED")
        await self.list_again()

    async def follow(self) -> None:
        await self._follow("")

    async def follow_from_a_zone(self) -> None:
        await self._follow("n1")

    async def change(self) -> None:
        for number in range(_CHANGES):
            self.cluster.said(Kind.SLICE, _slice(7, gone=number % 2 == 0))
            self.cluster.said(Kind.POD, _pod(number * _SLICE, account=f"a{number}"))
            await asyncio.sleep(_PAUSE)

    async def list_again(self) -> None:
        await self.cluster.listed(Kind.POD, _pods(self._endpoints))
        await self.cluster.listed(Kind.SLICE, _slices(self._endpoints))

    async def become_opaque(self) -> None:
        self.cluster.said(Kind.SERVER, server("huge", 8080, selects={}), "ADDED")

    async def go_and_come_back(self) -> None:
        await self.cluster.listed(Kind.SLICE, ())
        await self.cluster.listed(Kind.POD, ())
        await self.list_again()

    async def rename_its_port(self) -> None:
        self.cluster.said(Kind.SERVICE, _service("db"))

    async def leave(self) -> None:
        while self._readers:
            self._readers.pop().close()

    async def _follow(self, where: str) -> None:
        subscription = self.cluster.world.get(_PATH, where).subscription
        self._readers.append(Reader(subscription, self._hear))
        await self.cluster.in_step()
        before = -1
        while before != self._heard:
            before = self._heard
            await asyncio.sleep(2 * _PAUSE)

    def _hear(self, message: bytes) -> None:
        self._heard += len(message)


_PHASES: Final = (
    *(Story.read, Story.follow, Story.follow_from_a_zone, Story.change, Story.list_again),
    *(Story.become_opaque, Story.go_and_come_back, Story.rename_its_port, Story.leave),
)


@asynccontextmanager
async def _watched(waits: Waits, cluster: Cluster) -> AsyncIterator[None]:
    """Turns of the loop and updates of a neighbour are timed meanwhile."""
    tasks = [asyncio.create_task(_turns(waits)), asyncio.create_task(_updates(waits, cluster))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _turns(waits: Waits) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0)
        now = time.perf_counter()
        waits.turn(now - last)
        last = now


async def _updates(waits: Waits, cluster: Cluster) -> None:
    cluster.said(Kind.SERVICE, service("small"), "ADDED")
    begun: list[tuple[float, str]] = []

    def heard(_message: bytes) -> None:
        while begun:
            since, phase = begun.pop()
            waits.update(phase, time.perf_counter() - since)

    Reader(cluster.world.get(_NEIGHBOUR).subscription, heard)
    number = 0
    while True:
        number += 1
        begun.append((time.perf_counter(), waits.phase))
        cluster.said(
            Kind.SLICE, endpoint_slice("small", "small", endpoint(f"10.9.0.{number % 250}"))
        )
        await asyncio.sleep(_PAUSE)


def _parts(raws: Iterable[bytes]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for raw in raws:
        if len(part) == _PART or sum(map(len, part)) + len(raw) > _PART_BYTES:
            yield part
            part = []
        part.append(raw)
    if part:
        yield part


def _service(port: str) -> Any:
    return service("huge", ports={port: 8080})


def _pods(endpoints: int) -> Iterator[bytes]:
    """All pods, of other versions than ever before."""
    shape = _encode(_pod(0)).replace(b"h0", b"h%(n)d").replace(_ip(0).encode(), b"%(ip)s")
    for n in range(endpoints):
        yield shape % {b"n": n, b"ip": _ip(n).encode()}


def _slices(endpoints: int) -> Iterator[bytes]:
    return (_encode(_slice(first)) for first in range(endpoints // _SLICE))


def _slice(number: int, *, gone: bool = False) -> Any:
    numbers = range(number * _SLICE + gone, (number + 1) * _SLICE)
    listed = [endpoint(_ip(n), pod=f"h{n}", zone="z1") for n in numbers]
    return endpoint_slice(f"s{number}", "huge", *listed, ports={"web": 8080, "db": 3306})


def _pod(number: int, account: str = "sa") -> Any:
    return pod(
        f"h{number}", "fin", _ip(number), node="n1", account=account, init_containers=[proxy()]
    )


def _ip(number: int) -> str:
    return f"10.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def run(*, endpoints: int = ENDPOINTS) -> list[Figure]:
    """The longest wait of all, and which it was."""
    waits, seconds = asyncio.run(_run(endpoints))
    at: dict[str, object] = {
        "endpoints": endpoints,
        "seconds": round(seconds, 1),
        **{f"turn, {phase}": round(wait * 1e3, 1) for phase, wait in waits.turns.items()},
        **{f"neighbour, {phase}": round(wait * 1e3, 1) for phase, wait in waits.updates.items()},
    }
    return [Figure("huge_service_stall_ms", waits.longest * 1e3, at)]


if __name__ == "__main__":
    figures = run()
    print(table(figures))
    for name, value in figures[0].at.items():
        print(f"{name:32} {value}")
