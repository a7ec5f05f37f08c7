"""The law of the index: whatever the history, answers are those of a rebuild from scratch.

Generated histories of watch events (in batches, with duplicates and re-lists) run under streams
that open, read and close at any time. At the end every stream must know what a fresh index, given
the objects that are left in any order, tells a fresh stream. N23 of the catalogue is in it: a
re-list wakes nobody.

Hypothesis chooses the seed and the length of a history; a plain generator makes the rest, which is
a hundred times faster than drawing every field, and the world is small enough that things meet.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import Key
from linkerd.testing.objects import meta, node, owned, service
from linkerd.testing.random_objects import (
    CLUSTER_IPS,
    IPS,
    PORTS,
    some_endpoints,
    some_pod,
    some_profile,
    some_server,
    some_service,
    some_slice,
    some_split,
    some_workload,
)
from services.destination.index import (
    AmbiguousIpError,
    Kind,
    NotFoundError,
    NotServableError,
    WatchError,
)
from services.destination.testing import EndpointStream, ProfileStream, World

SHARED: Final[list[tuple[int, Kind, Callable[[Random], Any]]]] = [
    (3, Kind.SERVICE, some_service),
    (6, Kind.POD, some_pod),
    (4, Kind.EXTERNAL_WORKLOAD, some_workload),
    (2, Kind.SERVER, some_server),
    (2, Kind.PROFILE, some_profile),
    (2, Kind.SPLIT, some_split),
    (2, Kind.NODE, lambda r: node(r.choice(["n1", "n2"]), r.choice(["", "z1", "z2"]))),
    (1, Kind.REPLICA_SET, lambda r: owned("r", "fin", (r.choice(["Deployment", "X"]), "d"))),
    (1, Kind.JOB, lambda r: owned("r", "fin", (r.choice(["CronJob", "X"]), "c"))),
]
MAKERS: Final = {
    Kind.SLICE: [(8, Kind.SLICE, some_slice), *SHARED],
    Kind.ENDPOINTS: [(8, Kind.ENDPOINTS, some_endpoints), *SHARED],
}
"""By where endpoints are read from."""

LEDGER: Final = "ledger.fin.svc.mesh.test"
GETS: Final = [
    *(f"{LEDGER}:8080", f"{LEDGER}:8080", f"{LEDGER}:3306", f"h0.{LEDGER}:8080"),
    *("vault.fin.svc.mesh.test:8080", "ledger.ops.svc.mesh.test:8080"),
]
PROFILES: Final = [
    *(f"{LEDGER}:8080", f"{LEDGER}:3306", f"h0.{LEDGER}:8080", "192.0.2.8:7711"),
    *(f"{f'[{ip}]' if ':' in ip else ip}:8080" for ip in (*IPS, *CLUSTER_IPS)),
]

Stream = EndpointStream | ProfileStream


@dataclass
class History:
    """A world, what exists in it, and who follows it."""

    random: Random
    source: Kind = Kind.SLICE
    world: World = field(default_factory=World)
    objects: dict[tuple[Kind, Key], Any] = field(default_factory=dict)
    streams: list[tuple[str, str, str, Stream]] = field(default_factory=list)

    def begin(self) -> None:
        """Enough is there for things to happen."""
        r = self.random
        everything: list[tuple[Kind, Any]] = [
            (Kind.NODE, node("n1", "z1")),
            (Kind.NODE, node("n2", "z2")),
        ]
        everything += [(Kind.SERVICE, service("ledger", ports=r.choice(PORTS)))]
        everything += [(Kind.POD, some_pod(r)) for _ in range(6)]
        everything += [(Kind.EXTERNAL_WORKLOAD, some_workload(r)) for _ in range(2)]
        ((_, source, make), *_) = MAKERS[self.source]
        everything += [(source, make(r)) for _ in range(3)]
        for kind, item in everything:
            self._come(kind, item)
        self.world.index.flush()
        for _ in range(5):
            self.open()

    def step(self) -> None:
        steps = [self.events, self.events, self.events, self.renew, self.open, self.read]
        self.random.choice([*steps, self.close, self.relist])()

    def events(self) -> None:
        """A batch; each object may come twice."""
        for _ in range(self.random.randint(1, 3)):
            makers = MAKERS[self.source]
            ((_, kind, make),) = self.random.choices(makers, [weight for weight, *_ in makers])
            item = make(self.random)
            key = kind, item.metadata.key
            if self.random.random() < 0.8:
                self._come(kind, item)
                if self.random.random() < 0.1:
                    self._come(kind, item)
            elif (known := self.objects.pop(key, None)) is not None:
                self.world.index.apply(kind, Deleted(known))
        self.world.index.flush()

    def renew(self) -> None:
        """A new version of an object, with nothing else new in it."""
        if self.objects:
            (kind, _), item = self.random.choice(list(self.objects.items()))
            version = meta("x").resource_version
            metadata = msgspec.structs.replace(item.metadata, resource_version=version)
            self._come(kind, msgspec.structs.replace(item, metadata=metadata))
            self.world.index.flush()

    def relist(self) -> None:
        """Everything is told again, and nobody hears of it."""
        for *_, stream in self.streams:
            stream.read()
        tell(self.world, self.objects, self.random)
        assert not any(stream.read() for *_, stream in self.streams)

    def open(self) -> None:
        method = self.random.choice(["get", "get", "profile"])
        path = self.random.choice(GETS if method == "get" else PROFILES)
        nodes, namespaces = ["", "n1", "n1", "n2", "n3"], ["", "fin", "ops"]
        where = self.random.choice(nodes if method == "get" else namespaces)
        try:
            self.streams.append((method, path, where, follow(self.world, method, path, where)))
        except WatchError:
            return

    def read(self) -> None:
        if self.streams:
            self.random.choice(self.streams)[-1].read()

    def close(self) -> None:
        if self.streams:
            *_, stream = self.streams.pop(self.random.randrange(len(self.streams)))
            stream.subscription.close()

    def _come(self, kind: Kind, item: Any) -> None:
        self.objects[kind, item.metadata.key] = item
        self.world.index.apply(kind, Applied(item))


def tell(world: World, objects: dict[tuple[Kind, Key], Any], random: Random) -> None:
    """The objects come, in any order and in batches of any size."""
    items = list(objects.items())
    random.shuffle(items)
    for (kind, _), item in items:
        world.index.apply(kind, Applied(item))
        if random.random() < 0.3:
            world.index.flush()
    world.index.flush()


def follow(world: World, method: str, path: str, where: str) -> Stream:
    return world.get(path, where) if method == "get" else world.profile(path, where)


def check(stream: Stream, fresh: Callable[[], Stream]) -> None:
    """Both know the same, as far as a fresh stream can be had at all."""
    stream.read()
    try:
        other = fresh()
    except (NotFoundError, NotServableError):
        assert not isinstance(stream, EndpointStream) or not stream.reader.known
        return
    except AmbiguousIpError:
        return
    other.read()
    if isinstance(stream, EndpointStream) and isinstance(other, EndpointStream):
        assert stream.reader.known == other.reader.known
        assert not other.reader.known or stream.reader.labels == other.reader.labels
    elif isinstance(stream, ProfileStream) and isinstance(other, ProfileStream):
        assert stream.reader.last == other.reader.last


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The histories are full of malformed objects; that these are reported is tested elsewhere."""
    with capture_logs():
        yield


@settings(max_examples=2_000, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64), st.integers(1, 40), st.sampled_from(list(MAKERS)))
def test_any_history_ends_like_a_rebuild(seed: int, length: int, source: Kind) -> None:
    history = History(Random(seed), source)
    history.begin()
    for _ in range(length):
        history.step()
    fresh = World()
    tell(fresh, history.objects, history.random)
    for method, path, where, stream in history.streams:
        check(stream, lambda m=method, p=path, w=where: follow(fresh, m, p, w))  # type: ignore[misc]  # defaults bind the loop's variables
    index = history.world.index
    assert index.tally.failures == fresh.index.tally.failures == 0
    while history.streams:
        history.close()
    assert not index.views
    assert (len(index.home.facts), len(index.home.profiles), len(index.home.dependencies)) == (
        0,
        0,
        0,
    )
