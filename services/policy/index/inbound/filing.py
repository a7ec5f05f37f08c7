"""Which workloads there are, and which Servers select them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from linkerd.index import Complaints, Subject, Taker
from linkerd.index.filing import put
from linkerd.kube.objects import Key, Server
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.places import Place, Placed, places_of
from services.policy.index.inbound.selections import Selection, scope_of
from services.policy.index.inbound.workloads import (
    Content,
    Member,
    Workload,
    external_content,
    pod_content,
)
from services.policy.index.kinds import Kind
from services.policy.index.tables import Tables


class Workloads(Tables):
    """`pods` and `external`, which are ExternalWorkloads. `moved` are those whom somebody follows,
    and who have become one of another workload, or gone; who follows them takes them out."""

    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self.pods: dict[Key, Member[Any]] = {}
        self.external: dict[Key, Member[Any]] = {}
        self.moved: dict[Member[Any], None] = {}
        self._known: dict[Content, Workload] = {}
        self._placed: Placed[Workload, None] = Placed()
        self._selections: dict[Key, Selection] = {}  # of Servers
        self._looking: Placed[Key, Selection] = Placed()

    def takers(self) -> Mapping[Kind, Taker]:
        return {
            Kind.POD: partial(self._take, Kind.POD, self.pods, pod_content),
            Kind.EXTERNAL_WORKLOAD: partial(
                self._take, Kind.EXTERNAL_WORKLOAD, self.external, external_content
            ),
            Kind.SERVER: self._take_server,
        }

    def member(self, key: Key, *, is_external: bool) -> Member[Any] | None:
        """A pod or ExternalWorkload; None if there is no such."""
        return (self.external if is_external else self.pods).get(key)

    def _take(
        self,
        kind: Kind,
        members: dict[Key, Member[Any]],
        content: Callable[[Any], Content],
        key: Key,
        now: Any,
    ) -> Iterator[Subject]:
        member = members.get(key)
        before = member.workload if member is not None else None
        workload = None
        if now is None:
            self._complaints.forget(kind.value, *key)
        else:
            workload = self._workload(kind, key, content(now), now.metadata.labels)
        if workload is before:  # most often: nothing that policy reads
            return
        if workload is not None:
            workload.members += 1
        if before is not None:
            before.members -= 1
            if not before.members:
                self._drop(before)
        if member is not None:
            member.workload = workload
            if member.streams:
                self.moved[member] = None
                yield on.MOVED
        put(members, key, _member(key, member, workload))

    def _workload(
        self, kind: Kind, key: Key, content: Content, labels: Mapping[str, str]
    ) -> Workload:
        """The workload of that content; `key` is complained of if it is the first."""
        known = self._known.get(content)
        if known is not None:
            return known
        made = Workload(content, labels, partial(self._complaints.about, kind.value, *key))
        places = list(_places_of(made))
        near = self._looking.near(places).values()
        made.selections = _ranked(each for each in near if _selects(each, made))
        self._known[content] = made
        self._placed.place(made, None, places)
        return made

    def _drop(self, workload: Workload) -> None:
        del self._known[workload.content]
        self._placed.remove(workload, _places_of(workload))

    def _take_server(self, key: Key, now: Server | None) -> Iterator[Subject]:
        selection = Selection.of(now) if now is not None else None
        before = put(self._selections, key, selection)
        if before == selection:
            return
        was = before.places(key.namespace) if before is not None else ()
        places = selection.places(key.namespace) if selection is not None else ()
        self._looking.remove(key, was)
        if selection is not None:
            self._looking.place(key, selection, places)
        owners: dict[str, set[str]] = {}  # of ports that a Server selects and has not
        for workload in self._placed.near((*was, *places)):
            ports = _select(workload, before, selection)
            yield from [on.port(workload.id, port) for port in ports]
            for port in ports:
                owner, *others = (*workload.servers_at(port), "")
                for name in others[:-1]:
                    owners.setdefault(name, set()).add(owner)
        for name, names in owners.items():
            problem = f"ports that it selects belong to other Servers: {', '.join(sorted(names))}"
            self._complaints.about(Kind.SERVER.value, key.namespace, name, "spec.port", problem)


def _member(key: Key, member: Member[Any] | None, now: Workload | None) -> Member[Any] | None:
    if now is None:
        return None
    return member if member is not None else Member(key, now)


def _places_of(workload: Workload) -> Iterator[Place]:
    scope = scope_of(workload.namespace, is_external=workload.is_external)
    return places_of(scope, workload.labels)


def _select(workload: Workload, before: Selection | None, now: Selection | None) -> Iterable[int]:
    """Has a Server select `workload` as it does `now`; the ports that this is about."""
    was = before if before is not None and _selects(before, workload) else None
    selects = now if now is not None and _selects(now, workload) else None
    if was is None and selects is None:
        return ()
    rest = [each for each in workload.selections if each != before]
    workload.selections = _ranked([*rest, selects] if selects is not None else rest)
    return {port for each in (was, selects) if each for port in workload.numbers(each.port)}


def _selects(selection: Selection, workload: Workload) -> bool:
    return selection.selects(workload.labels, is_external=workload.is_external)


def _ranked(selections: Iterable[Selection]) -> tuple[Selection, ...]:
    return tuple(sorted(selections, key=lambda each: each.rank))
