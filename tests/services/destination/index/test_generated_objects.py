"""Objects generated from the Structs and schemas that read them, then spoiled: bytes of any kind,
through the reflectors' intake, under streams of others.

No error of ours, no message that a proxy would drop a part of (the readers check that), nothing
heard by those whom it does not concern; and good objects in the place of the bad ones mend all.

More of them: `HISTORIES=20000 pytest tests/services/destination/index/test_generated_objects.py`.
"""

import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.kube.intake import Intake
from linkerd.mesh import labels
from services.destination.index import Kind
from services.destination.resources import resources
from tests.support.destination.bad_objects import (
    CALM_STREAMS,
    STREAMS,
    WORDS,
    Server,
    calm,
    good,
)
from tests.support.destination.histories import law
from tests.support.destination.world import World
from tests.support.feeds import METER, watch_line
from tests.support.generated import Maker
from tests.support.indexes.followers import Follower
from tests.support.objects import service

LINKED: Final = [
    *(Kind.SERVICE, Kind.SLICE, Kind.POD, Kind.REPLICA_SET, Kind.JOB, Kind.SERVER),
]
"""What is read of linked clusters."""
EXAMPLES: Final = int(os.environ.get("HISTORIES", "50"))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def connect(world: World, streams: list[tuple[str, str, str]]) -> list[Follower]:
    """Proxies that have read what there is."""
    proxies = [Follower(law(Kind.SLICE), stream) for stream in streams]
    for each in proxies:
        each.connect(world)
        assert each.read() == 1
    return proxies


def spoil_some(told: Server, known: dict[Kind, list[Any]], random: Random) -> None:
    """A bad object comes, changes or goes."""
    kind = random.choice(list(known))
    raw = told.bad(kind, random.choice(known[kind]), Maker(random, WORDS))
    told.say(random.choice(["ADDED", "MODIFIED", "MODIFIED", "DELETED"]), kind, raw)


def mend(told: Server, known: dict[Kind, list[Any]]) -> None:
    """Good objects take the place of the bad ones."""
    for kind, items in known.items():
        told.list(kind, items)
        for item in items:
            told.put(kind, item)


def run(seed: int, *, slices: bool, forced: bool) -> None:
    random = Random(seed)
    world = World(transport_header=forced)
    told = Server(world, slices=slices)
    known, whole = good(slices=slices), good(slices=slices)
    for kind, item in calm():
        if kind in whole:
            whole[kind].append(item)
    mend(told, whole)
    neighbours, proxies = connect(world, CALM_STREAMS), connect(world, STREAMS)
    for _ in range(random.randint(1, 40)):
        spoil_some(told, known, random)
        for each in proxies:
            if random.random() < 0.1:
                each.close()
                each.connect(world)
            each.read()
    assert not any(each.read() for each in neighbours)
    mend(told, whole)
    assert not any(each.read() for each in neighbours)
    healed = World(transport_header=forced)
    mend(Server(healed, slices=slices), whole)
    for each in (*proxies, *neighbours):
        if not each.open:
            each.gave_up = False
            each.connect(world)
        assert each.open
        each.check(healed)
    assert world.index.tally.failures == 0


@pytest.mark.timeout(120 + EXAMPLES // 5)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(seed=st.integers(0, 1 << 64), slices=st.booleans(), forced=st.booleans())
def test_whatever_is_generated(*, seed: int, slices: bool, forced: bool) -> None:
    run(seed, slices=slices, forced=forced)


def federated(items: dict[Kind, list[Any]]) -> World:
    """A world whose linked cluster has these objects, and in which a service is of both."""
    world = World()
    marks = {labels.REMOTE_DISCOVERY: "ledger@north", labels.LOCAL_DISCOVERY: "calm"}
    world.apply(service("all", "ops", ports={"http": 8080}, annotations=marks))
    mirror = {labels.REMOTE_DISCOVERY: "north", labels.REMOTE_SERVICE: "ledger"}
    world.apply(service("ledger", "fin", ports={"http": 8080}, labels=mirror))
    for kind, item in calm():
        if kind is not Kind.ENDPOINTS:
            world.apply(item, kind=kind)
    north = world.cluster("north")
    mend(Server(world, slices=True, context=north.context), items)
    north.link()
    return world


LINKED_STREAMS: Final = [
    ("get", f"{name}.svc.mesh.test:8080", "n9")
    for name in ("all.ops", "ledger.fin", "h0.ledger.fin")
]


@settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=[*HealthCheck])
@given(seed=st.integers(0, 1 << 64))
def test_whatever_is_generated_in_a_linked_cluster(seed: int) -> None:
    random, known = Random(seed), {kind: good(slices=True)[kind] for kind in LINKED}
    world = federated(known)
    told = Server(world, slices=True, context=world.index.clusters.get("north"))
    mend(told, known)
    neighbours, proxies = connect(world, CALM_STREAMS), connect(world, LINKED_STREAMS)
    for _ in range(random.randint(1, 40)):
        spoil_some(told, known, random)
        for each in proxies:
            each.read()
    mend(told, known)
    assert not any(each.read() for each in neighbours)
    healed = federated(known)
    for each in proxies:
        each.check(healed)
    assert world.index.tally.failures == 0


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_generated_decodes_now_and_then(kind: Kind) -> None:
    """Else nothing would come of it."""
    maker = Maker(Random(1), WORDS)
    resource = resources(slices=kind is not Kind.ENDPOINTS)[kind]
    intake = Intake(resource, METER)
    for number in range(200):
        document = maker.from_struct(resource.struct)
        document["metadata"]["name"] = f"n{number}"
        intake.take_line(watch_line("ADDED", json.dumps(document).encode()))
    assert len(intake.objects) > 100


def test_an_object_that_cannot_be_read_is_counted() -> None:
    world = World()
    told = Server(world, slices=True)
    before = METER.malformed._value.get()
    told.say("ADDED", Kind.POD, b'{"metadata": {"name": "a"}, "spec": []}')
    assert METER.malformed._value.get() == before + 1
    assert not world.index.home.objects.pods
