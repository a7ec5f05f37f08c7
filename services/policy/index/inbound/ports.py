"""What clients follow: ports of pods and ExternalWorkloads.

Pods that are the same to policy share the view of a port. When one of them becomes another, its
streams move to the view of what it is now; when it goes, they end.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import grpc

from linkerd.index import NOTHING, Dependencies, Owner, View
from linkerd.streams import StreamEnd
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.answers import AnswerBook, DefaultAnswers
from services.policy.index.inbound.filing import Workloads
from services.policy.index.inbound.workloads import Member, Workload


class Sources(Protocol):
    """What ports are computed from; the context."""

    @property
    def dependencies(self) -> Dependencies: ...

    @property
    def answers(self) -> AnswerBook: ...

    @property
    def default_answers(self) -> DefaultAnswers: ...


class PortView(View):
    """A port of a workload. `message` is what it is told."""

    __slots__ = ("_sources", "message", "port", "streams", "workload")

    def __init__(self, sources: Sources, owner: Owner, workload: Workload, port: int) -> None:
        super().__init__(owner, workload, port)
        self._sources = sources
        self.workload = workload
        self.port = port
        self.streams: dict[PortStream, None] = {}
        self.message = self._compute()

    def refresh(self) -> tuple[()]:
        if not self.workload.members:  # the streams go over to another view, or end
            return ()
        message = self._compute()
        if message != self.message:
            self.message = message
            for stream in list(self.streams):
                stream.rouse()
        return ()

    def join(self, stream: "PortStream") -> None:
        """A stream follows it."""
        self.streams[stream] = None

    def leave(self, stream: "PortStream") -> None:
        """A stream follows it no more."""
        del self.streams[stream]
        if not self.streams:
            self._sources.dependencies.watch(self, NOTHING)
            self.owner.dropped(self)

    def _compute(self) -> bytes:
        workload, port, sources = self.workload, self.port, self._sources
        server = next(workload.servers_at(port), None)
        belonging = on.port(workload.id, port)
        if server is None:
            sources.dependencies.watch(self, {belonging})
            return sources.default_answers.message(workload, port)
        subject = on.answer(workload.namespace, server)
        answer = sources.answers.at(subject)
        sources.dependencies.watch(self, {belonging, subject})
        if answer is None:  # a Server that selects a port says what it is told
            raise LookupError(f"no answer of Server {workload.namespace}/{server}")
        return answer.message(workload.probes.get(port, ()))


class Crowd(View):
    """All streams. `view` is the view of a port of a workload."""

    __slots__ = ("_dependencies", "_view", "_workloads", "size")

    def __init__(
        self,
        dependencies: Dependencies,
        owner: Owner,
        workloads: Workloads,
        view: Callable[[Workload, int], PortView],
    ) -> None:
        super().__init__(owner)
        self._dependencies = dependencies
        self._workloads = workloads
        self._view = view
        self.size = 0
        dependencies.watch(self, {on.MOVED})

    def join(self, member: Member["PortStream"], workload: Workload, port: int) -> "PortStream":
        """A new stream, of a pod or ExternalWorkload, which is one of `workload`."""
        stream = PortStream(self, member, self._view(workload, port))
        self.size += 1
        return stream

    def leave(self, stream: "PortStream") -> None:
        """A stream is closed."""
        self.size -= 1
        if not self.size:
            self._workloads.moved.clear()
            self._dependencies.watch(self, NOTHING)
            self.owner.dropped(self)

    def refresh(self) -> Iterator[None]:
        moved = self._workloads.moved
        while moved:
            member = next(iter(moved))
            del moved[member]
            for stream in member.streams:
                self._move(stream)
                yield

    def _move(self, stream: "PortStream") -> None:
        view = stream.view
        if view is None:
            return
        key, is_external = stream.member.key, view.workload.is_external
        member = self._workloads.member(key, is_external=is_external)  # it may have been made anew
        if member is None or member.workload is None:
            stream.follow(stream.member, None)
        elif member.workload is not view.workload:
            stream.follow(member, self._view(member.workload, view.port))
        else:
            stream.follow(member, view)


class PortStream:
    """Somebody who follows a port of a pod or ExternalWorkload. A `Subscription`."""

    __slots__ = ("_crowd", "_resting", "_told", "_wake", "member", "view")

    def __init__(self, crowd: Crowd, member: Member["PortStream"], view: PortView) -> None:
        self._crowd: Crowd | None = crowd
        self._resting = False
        self._told: bytes | None = None
        self._wake: Callable[[], None] | None = None
        self.member = member
        self.view: PortView | None = view
        member.join(self)
        view.join(self)

    def poll(self) -> bytes | None:
        """What the port is told, if that is not what was told last."""
        self._resting = False
        view = self.view
        if view is None:
            if self._crowd is None:
                return None
            raise StreamEnd(grpc.StatusCode.OK)
        message = view.message
        if message == self._told:
            self._resting = True
            return None
        self._told = message
        return message

    def on_wake(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def close(self) -> None:
        crowd, self._crowd = self._crowd, None
        if crowd is None:
            return
        self._wake = None
        self.member.leave(self)
        if self.view is not None:
            self.view.leave(self)
            self.view = None
        crowd.leave(self)

    def follow(self, member: Member["PortStream"], view: PortView | None) -> None:
        """Goes over to another view; None: it has no more to say."""
        if member is not self.member:
            self.member.leave(self)
            self.member = member
            member.join(self)
        if view is self.view:
            return
        if view is not None:
            view.join(self)
        if self.view is not None:
            self.view.leave(self)
        self.view = view
        self.rouse()

    def rouse(self) -> None:
        """There may be something to say."""
        if self._resting and self._wake is not None:
            self._resting = False
            self._wake()
