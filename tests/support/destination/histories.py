"""Histories of clusters and of the proxies that follow them, for the law of the index: whatever
happens, everybody ends up knowing what a fresh start would tell.

A history is made by a plain generator from a seed: a hundred times faster than letting hypothesis
draw every field, and the world is small enough that things meet.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from services.destination.index import (
    AmbiguousIpError,
    Kind,
    MislabelledError,
    NotServableError,
    WatchError,
)
from services.destination.index.context import Context
from tests.support.destination.clusters import Clusters
from tests.support.destination.world import EndpointStream, ProfileStream, World
from tests.support.random_objects import CLUSTER_IPS, IPS

_LEDGER: Final = "ledger.fin.svc.mesh.test"
_ALL: Final = "all.fin.svc.mesh.test"
_MIRROR: Final = "mirror.fin.svc.mesh.test"
_GETS: Final = [
    *[f"{_LEDGER}:8080", f"{_ALL}:8080"] * 4,
    *(f"{_LEDGER}:3306", f"{_LEDGER}:9", f"h0.{_LEDGER}:8080", f"{_ALL}:3306", f"h0.{_ALL}:8080"),
    *(f"{_MIRROR}:8080", f"{_MIRROR}:8080", f"h0.{_MIRROR}:8080", f"h1.{_LEDGER}:8080"),
    *("vault.fin.svc.mesh.test:8080", "ledger.ops.svc.mesh.test:8080"),
]
_PROFILES: Final = [
    *(f"{_LEDGER}:8080", f"{_LEDGER}:3306", f"{_LEDGER}:9", f"h0.{_LEDGER}:8080"),
    *(f"h1.{_LEDGER}:8080", f"{_ALL}:8080", f"{_MIRROR}:8080", "198.51.100.9:80"),
    *("192.0.2.8:7711", "192.0.2.8:53", "192.0.2.9:53", "[fd00:2::8]:53"),
    *(f"{f'[{ip}]' if ':' in ip else ip}:8080" for ip in (*IPS, *CLUSTER_IPS)),
]
_NODES: Final = ["", "n1", "n1", "n2", "n3"]
_NAMESPACES: Final = ["", "fin", "ops"]

_FINAL: Final = (NotServableError, MislabelledError)
"""What a proxy does not ask again after."""

Stream = EndpointStream | ProfileStream


def follow(world: World, method: str, path: str, where: str) -> Stream:
    """Opens a stream: `where` is a node, of `get`, or a namespace, of `profile`. Raises
    WatchError."""
    return world.get(path, where) if method == "get" else world.profile(path, where)


@dataclass
class Proxy:
    """Somebody who asks for one thing, again whenever the stream ends. `stream` is None before an
    answer was had; `open` says whether it can say more."""

    method: str
    path: str
    where: str
    stream: Stream | None = None
    open: bool = False
    gave_up: bool = False

    def connect(self, world: World) -> None:
        """Opens a stream, if one is to be had."""
        if self.gave_up:
            return
        try:
            stream = follow(world, self.method, self.path, self.where)
        except WatchError as error:
            self.gave_up = isinstance(error, _FINAL)
            return
        self.open = True
        if self.stream is None:
            self.stream = stream
        else:
            self.stream.reconnect(stream.subscription)

    def read(self) -> int:
        """Reads all that there is; how many messages came."""
        return len(self.stream.read()) if self.stream is not None and self.open else 0

    def sip(self) -> None:
        """Reads one message, which may be a part of what was to be told."""
        if self.stream is not None and self.open:
            raw = self.stream.subscription.poll()
            if raw is not None:
                self.stream.reader.take(raw)

    def close(self) -> None:
        """The stream ends."""
        if self.stream is not None and self.open:
            self.stream.subscription.close()
        self.open = False

    def check(self, fresh: World) -> None:
        """It knows what it would be told by `fresh`, as far as that tells anything."""
        self.read()
        if self.stream is None or not self.open:
            return
        try:
            other = follow(fresh, self.method, self.path, self.where)
        except AmbiguousIpError:
            return
        except WatchError:
            assert (
                not isinstance(self.stream, EndpointStream) or not self.stream.reader.known
            )  # for tests
            return
        other.read()
        if isinstance(self.stream, EndpointStream) and isinstance(other, EndpointStream):
            mine, theirs = self.stream.reader, other.reader
            assert mine.told == theirs.told  # likewise
        elif isinstance(self.stream, ProfileStream) and isinstance(other, ProfileStream):
            assert self.stream.reader.last == other.reader.last  # likewise
        other.subscription.close()


@dataclass
class History:
    """Clusters, and proxies that follow what is in them."""

    random: Random
    source: Kind = Kind.SLICE
    clusters: Clusters = field(init=False)
    proxies: list[Proxy] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clusters = Clusters(self.random, self.source)
        for _ in range(4):
            self.come()

    def step(self) -> None:
        """Something happens."""
        clusters = self.clusters
        often: list[Callable[[], None]] = [
            *(clusters.change, clusters.change, clusters.hear, clusters.expire),
            *(self.read, self.read, self.sip),
        ]
        rarely: list[Callable[[], None]] = [
            *(clusters.announce, clusters.link, clusters.unlink, clusters.renew),
            *(self.come, self.come, self.leave, self.reconnect, self.reconnect),
        ]
        chance = self.random.random()
        if chance < 0.02:
            self.random.choice([self.restart, self.tell_again, self.check])()
        else:
            self.random.choice(often if chance < 0.75 else rarely)()

    def come(self) -> None:
        """Another proxy, or one that asks for something else."""
        method = self.random.choice(["get", "get", "profile"])
        path = self.random.choice(_GETS if method == "get" else _PROFILES)
        where = self.random.choice(_NODES if method == "get" else _NAMESPACES)
        proxy = Proxy(method, path, where)
        proxy.connect(self.clusters.world)
        self.proxies.append(proxy)

    def leave(self) -> None:
        """A proxy closes its stream."""
        if self.proxies:
            self.proxies.pop(self.random.randrange(len(self.proxies))).close()

    def reconnect(self) -> None:
        """A stream ends, as idle ones do, and is opened again; or it is tried again."""
        if self.proxies:
            proxy = self.random.choice(self.proxies)
            proxy.close()
            proxy.connect(self.clusters.world)

    def read(self) -> None:
        """A proxy reads."""
        if self.proxies:
            self.random.choice(self.proxies).read()

    def sip(self) -> None:
        """A proxy reads a little."""
        if self.proxies:
            self.random.choice(self.proxies).sip()

    def tell_again(self) -> None:
        """Everything is told again, and nobody hears of it."""
        self.clusters.catch_up()
        for proxy in self.proxies:
            proxy.read()
        self.clusters.tell_again()
        assert not sum(proxy.read() for proxy in self.proxies)  # for tests

    def restart(self) -> None:
        """The program ends and begins again; proxies come back when they do."""
        self.clusters.restart()
        for proxy in self.proxies:
            proxy.open = False
            if self.random.random() < 0.7:
                proxy.connect(self.clusters.world)

    def check(self) -> None:
        """The law: all is as after a fresh start. Raises AssertionError, as any step may."""
        self.clusters.catch_up()
        for proxy in self.proxies:
            if not proxy.open:
                proxy.connect(self.clusters.world)
        fresh = self.clusters.fresh()
        for proxy in self.proxies:
            proxy.check(fresh)
        for index in (self.clusters.world.index, fresh.index):
            assert index.tally.failures == 0  # for tests

    def end(self) -> None:
        """Everybody leaves, and nothing is left of them in any context that ever was. Then all
        objects go, and nothing is left of these."""
        while self.proxies:
            self.leave()
        index = self.clusters.world.index
        assert not index.views  # for tests
        for context in (*index.clusters, *self.clusters.past):
            assert left(context) == (0, 0, 0)  # likewise
        self.clusters.remove_all()
        for context in index.clusters:
            assert kept(context) == {}  # likewise


def kept(context: Context) -> dict[str, int]:
    """The tables of a cluster's objects that are not empty, and how long they are."""
    tables = {name: len(table) for name, table in vars(context.objects).items()}
    return {name: size for name, size in tables.items() if size and name != "_takers"}


def left(context: Context) -> tuple[int, int, int]:
    """How many facts, ServiceProfiles and subjects are kept for somebody."""
    return len(context.facts), len(context.profiles), len(context.dependencies)
