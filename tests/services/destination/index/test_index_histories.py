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
from linkerd.testing.objects import (
    container,
    endpoint,
    endpoint_slice,
    meta,
    node,
    owned,
    pod,
    proxy,
    server,
    service,
    service_profile,
)
from services.destination.index import (
    AmbiguousIpError,
    Kind,
    NotFoundError,
    NotServableError,
    WatchError,
)
from services.destination.testing import EndpointStream, ProfileStream, World

NAMESPACES: Final = ["fin"] * 9 + ["ops"]
PODS: Final = ["a", "b", "c"]
IPS: Final = ["10.4.0.1", "10.4.0.2", "10.4.0.3", "fd00:4::1", "fd00:4::2"]
CLUSTER_IPS: Final = ["10.96.0.1", "10.96.0.2", "fd00:96::1"]
PORTS: Final = [{"": 8080}, {"web": 8080, "db": 3306}, {"web": 3306, "": 8080}]
OPAQUE: Final = "config.linkerd.io/opaque-ports"
ANNOTATIONS: Final = [{}, {}, {OPAQUE: "8080"}, {OPAQUE: "web"}, {OPAQUE: ""}]
GATEWAYS: Final = {
    "mirror.linkerd.io/remote-gateway-identity": "gw.north.test",
    "mirror.linkerd.io/remote-svc-fq-name": "ledger.fin.svc.north.test",
}
MIRRORED: Final = {"mirror.linkerd.io/cluster-name": "north"}


def some_service(r: Random) -> Any:
    return service(
        r.choice(["ledger", "ledger", "ledger", "vault"]),
        r.choice(NAMESPACES),
        *r.sample(CLUSTER_IPS, r.choice([0, 1, 1, 2])),
        ports=r.choice(PORTS),
        type=r.choice(["ClusterIP"] * 19 + ["ExternalName"]),
        local=r.random() < 0.2,
        annotations=r.choice(ANNOTATIONS),
    )


def some_endpoint(r: Random, *, hinted: bool) -> Any:
    return endpoint(
        r.choice(IPS),
        pod=r.choice([None, *PODS, *PODS, ("ExternalWorkload", "m")]),
        namespace=r.choice([""] * 7 + ["ops"]),
        ready=r.choice([None, None, True, True, True, False]),
        zone=r.choice([None, "z1", "z2"]),
        hints=r.choice([("z1",), ("z2",), ("z1", "z2")]) if hinted else (),
        hostname=r.choice([None, "h0"]),
    )


def some_slice(r: Random) -> Any:
    mirrored, hinted = r.random() < 0.2, r.random() < 0.6
    return endpoint_slice(
        r.choice(["s1", "s2", "s3"]),
        r.choice([None, "vault", *["ledger"] * 8]),
        *(some_endpoint(r, hinted=hinted) for _ in range(r.randrange(7))),
        namespace=r.choice(NAMESPACES),
        ports=r.choice([*PORTS, *PORTS, *PORTS, {}]),
        annotations=GATEWAYS if mirrored else {},
        labels=MIRRORED if mirrored else {},
    )


def some_pod(r: Random) -> Any:
    return pod(
        r.choice(PODS),
        r.choice(NAMESPACES),
        *r.sample(IPS, r.choice([0, 1, 1, 2])),
        meshed=r.random() < 0.7,
        containers=[container(web=(8080, r.choice([0, 0, 7711])))],
        init_containers=[
            r.choice([proxy(), proxy(), proxy(), proxy(), proxy(""), proxy(control="")])
        ],
        labels={"app": r.choice(["ledger", "vault"])},
        node=r.choice(["n1", "n2"]),
        account=r.choice(["", "sa"]),
        phase=r.choice(["Running"] * 8 + ["Pending", "Failed"]),
        host_network=r.random() < 0.15,
        host_ip="192.0.2.8",
        owners=r.choice([[], [("ReplicaSet", "r")], [("Job", "r")]]),
        annotations=r.choice(ANNOTATIONS),
        deleting=r.random() < 0.2,
    )


def some_server(r: Random) -> Any:
    return server(
        r.choice(["v1", "v2"]),
        8080 if r.random() < 0.5 else "web",
        namespace=r.choice(NAMESPACES),
        selects=r.choice([None, {}, {"app": "ledger"}]),
        protocol=r.choice(["opaque", "opaque", "HTTP/2"]),
    )


def some_profile(r: Random) -> Any:
    return service_profile(
        "ledger.fin.svc.mesh.test",
        r.choice(["fin", "ops"]),
        routes=[
            {"name": "a", "condition": {"method": method}} for method in r.choice(["GP", "", [""]])
        ],
    )


MAKERS: Final[list[tuple[int, Kind, Callable[[Random], Any]]]] = [
    (3, Kind.SERVICE, some_service),
    (8, Kind.SLICE, some_slice),
    (6, Kind.POD, some_pod),
    (2, Kind.SERVER, some_server),
    (2, Kind.PROFILE, some_profile),
    (2, Kind.NODE, lambda r: node(r.choice(["n1", "n2"]), r.choice(["", "z1", "z2"]))),
    (1, Kind.REPLICA_SET, lambda r: owned("r", "fin", (r.choice(["Deployment", "X"]), "d"))),
    (1, Kind.JOB, lambda r: owned("r", "fin", (r.choice(["CronJob", "X"]), "c"))),
]
WEIGHTS: Final = [weight for weight, _, _ in MAKERS]
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
        everything += [(Kind.SLICE, some_slice(r)) for _ in range(3)]
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
            ((_, kind, make),) = self.random.choices(MAKERS, WEIGHTS)
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
@given(st.integers(0, 1 << 64), st.integers(1, 40))
def test_any_history_ends_like_a_rebuild(seed: int, length: int) -> None:
    history = History(Random(seed))
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
