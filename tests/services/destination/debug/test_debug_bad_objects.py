"""The debug pages of a cluster in which some objects are as bad as they can be: there is a page for
everything, it agrees with what proxies hear, and nothing stays behind."""

from collections.abc import Iterator
from random import Random

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.mesh.authority import ServiceTarget, parse_authority
from services.destination.debug import endpoints, objects, profiles, topics
from tests.support.destination.bad_objects import STREAMS, WORDS, Server, good
from tests.support.destination.world import DOMAIN, World
from tests.support.generated import Maker


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def look(world: World, method: str, path: str, where: str) -> None:
    """Reads the page of what a stream is about."""
    target = parse_authority(path, DOMAIN)
    if method == "get" and isinstance(target, ServiceTarget):
        page = endpoints.page(world.index, path, target, where, 1_000)
        assert page.get("agrees", True), page
    else:
        page = profiles.page(world.index, path, target, where)
    assert msgspec.json.encode(page)


@settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck])
@given(seed=st.integers(0, 1 << 64), slices=st.booleans())
def test_there_is_a_page_for_everything(*, seed: int, slices: bool) -> None:
    random, world = Random(seed), World()
    told, known = Server(world, slices=slices), good(slices=slices)
    for kind, items in known.items():
        for item in items:
            told.put(kind, item)
    for _ in range(random.randint(1, 15)):
        kind = random.choice(list(known))
        raw = told.bad(kind, random.choice(known[kind]), Maker(random, WORDS))
        told.say(random.choice(["MODIFIED", "MODIFIED", "DELETED"]), kind, raw)
    for stream in STREAMS:
        look(world, *stream)
    assert msgspec.json.encode(topics.page(world.index, 100))
    for kind in known:
        for item in objects.known(world.index.home.objects, kind).values():
            assert msgspec.json.encode(objects.plain(item))
    assert not world.index.views
    assert world.index.tally.failures == 0
