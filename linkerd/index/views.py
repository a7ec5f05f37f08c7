"""What clients follow: computed from subjects, published to topics, gone with the last follower."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import grpc

from linkerd.index.dependencies import NOTHING, Dependencies, Dependent
from linkerd.streams import Cursor, StreamEnd, Told, Topic

S = TypeVar("S")


class UnclearError(Exception):
    """Objects contradict each other at the moment; what they said before stays. The message says
    which objects."""


class EndedError(Exception):
    """What was asked for has come to mean something else: streams end, with OK, and who asks again
    follows what it is now."""


class Owner(Protocol):
    """Who keeps views; an index."""

    def touched(self, view: "View", /) -> None:
        """`view` is out of date."""

    def ended(self, view: "View", /) -> None:
        """`view` has nothing more to say; who asks for the same from now on gets another."""

    def dropped(self, view: "View", /) -> None:
        """The last follower of `view` has left, and it has let go of everything."""

    def tidy(self, steps: Iterator[None], /) -> None:
        """Goes through `steps` when there is time: what lets go of much."""


class View(Dependent):
    """Something that clients follow. `id` is what they ask for it by; first its class."""

    __slots__ = ("id", "owner")

    def __init__(self, owner: Owner, *key: Hashable) -> None:
        super().__init__()
        self.owner = owner
        self.id = (type(self), *key)

    def touch(self) -> None:
        self.owner.touched(self)

    def refresh(self) -> Iterable[None]:
        """Takes in what changed and publishes what differs; or does so step by step while the
        result is iterated, and publishes at the end. Objects may change between steps: then it is
        touched, and refreshed once more afterwards."""
        raise NotImplementedError


class TopicView(View, Generic[S]):
    """A view with one topic, whose state is computed anew whenever a subject changed. `delta` says
    how the step from one state to the next is told. Raises UnclearError."""

    __slots__ = ("_dependencies", "_unclear", "topic")

    def __init__(
        self,
        dependencies: Dependencies,
        owner: Owner,
        delta: Callable[[S | None, S], Told],
        *key: Hashable,
    ) -> None:
        super().__init__(owner, *key)
        self._dependencies = dependencies
        self._unclear: UnclearError | None = None
        try:
            state = self.compute()
        except BaseException:  # nobody gets to know the view, whatever it was
            dependencies.watch(self, NOTHING)
            raise
        self.topic: Topic[S] = Topic(delta, state, on_empty=self._close)

    def compute(self) -> S:
        """The state as of now; watches what it came from, whatever happens. Raises UnclearError,
        and, but for the first time, EndedError."""
        raise NotImplementedError

    def subscribe(self) -> Cursor[S]:
        """A new follower. Raises UnclearError, as if nobody else had known better times."""
        if self._unclear is not None:
            raise type(self._unclear)(*self._unclear.args)
        return self.topic.subscribe()

    def refresh(self) -> Iterable[None]:
        try:
            state = self.compute()
        except UnclearError as error:  # for a moment, most likely; until then nothing is said
            self._unclear = error.with_traceback(None)  # whose frames know the view
        except EndedError:
            self._dependencies.watch(self, NOTHING)
            self.owner.ended(self)
            self.topic.end(StreamEnd(grpc.StatusCode.OK))
        else:
            self._unclear = None
            self.topic.publish(state)
        return ()

    def _close(self) -> None:
        self._dependencies.watch(self, NOTHING)
        self.owner.dropped(self)
        del self.topic  # which knows the view: it is freed at once so
