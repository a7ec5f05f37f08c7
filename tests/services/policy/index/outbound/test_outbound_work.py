"""A change costs what it concerns: how often policies and answers are computed, whatever the number
of those who follow others."""

from collections import Counter
from typing import Any, Final

import pytest

from linkerd.index import Subject, Watch
from services.policy.index.kinds import Kind
from services.policy.index.outbound.policies import PolicyBook
from services.policy.index.outbound.settings import SettingsBook
from services.policy.index.outbound.views import AddressView
from tests.support.policy.outbound import EGRESS, OUTSIDE, PORT, Watcher, World, backend, parent_of

SOURCES: Final = ("fruit", "apps")


class Counted:
    """How often each is computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._counts: Counter[str] = Counter()
        for kind, method in [(PolicyBook, "derive"), (SettingsBook, "derive")]:
            self._count(monkeypatch, kind, method)
        self._count(monkeypatch, AddressView, "compute")

    def _count(self, monkeypatch: pytest.MonkeyPatch, kind: type, method: str) -> None:
        plain = getattr(kind, method)

        def counting(this: Any, *arguments: Subject | Watch) -> Any:
            self._counts[kind.__name__] += 1
            return plain(this, *arguments)

        monkeypatch.setattr(kind, method, counting)

    def taken(self) -> tuple[int, int, int]:
        """Policies, settings and answers since the last time."""
        counts, self._counts = self._counts, Counter()
        return counts["PolicyBook"], counts["SettingsBook"], counts["AddressView"]


def crowded(services: int) -> tuple[World, list[Watcher]]:
    """A world in which clients of two namespaces follow all of so many services, and two addresses
    outside."""
    world = World()
    watchers = []
    for number in range(services):
        ip = f"10.97.{number // 250}.{number % 250}"
        world.service(f"s{number}", ip=ip)
        watchers += [world.watch(ip, source=source) for source in SOURCES]
    for source in SOURCES:
        watchers += [world.watch(OUTSIDE, source=source), world.watch("2001:db8::1", source=source)]
    for watcher in watchers:
        watcher.read()
    return world, watchers


def heard(watchers: list[Watcher]) -> int:
    return sum(len(watcher.read()) for watcher in watchers)


@pytest.mark.parametrize("services", [10, 100, 1000])
def test_a_change_is_computed_for_those_whom_it_concerns(
    services: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    world, watchers = crowded(services)
    assert counted.taken() == (services, services, len(watchers))

    world.route("r", Kind.HTTP_ROUTE, backend("s5"), parent=parent_of("s3"))
    assert (counted.taken(), heard(watchers)) == ((1, 0, 2), 2)
    world.service("s3", ip="10.97.0.3", annotations={"timeout.linkerd.io/request": "3s"})
    assert (counted.taken(), heard(watchers)) == ((1, 1, 2), 2)
    world.service("s3", ip="10.97.0.3", annotations={"linkerd.io/created-by": "me"})
    assert (counted.taken(), heard(watchers)) == ((1, 1, 2), 2)
    world.service("s3", ip="10.97.0.3")
    assert (counted.taken(), heard(watchers)) == ((0, 1, 0), 0)
    world.service("s5", ip="10.97.0.5")  # a backend that is there already
    assert (counted.taken(), heard(watchers)) == ((0, 1, 0), 0)
    world.route("own", Kind.HTTP_ROUTE, parent=parent_of("s4"), namespace="apps")
    assert (counted.taken(), heard(watchers)) == ((1, 0, 1), 1)
    world.service("new", ip="10.98.0.1")
    world.route("of-nobody", Kind.HTTP_ROUTE, parent=parent_of("new"))
    world.egress("elsewhere", namespace="other")
    assert (counted.taken(), heard(watchers)) == ((0, 0, 0), 0)
    world.egress("here", networks=["203.0.113.0/24"])
    assert counted.taken() == ((0, 0, 2))
    (ended,) = [number for number, watcher in enumerate(watchers) if watcher.has_ended()]
    watchers[ended] = world.watch(OUTSIDE)
    assert (counted.taken(), heard(watchers)) == ((1, 1, 1), 1)
    world.route("e", Kind.HTTP_ROUTE, parent=parent_of("here", EGRESS, port=PORT))
    assert (counted.taken(), heard(watchers)) == ((1, 0, 1), 1)
