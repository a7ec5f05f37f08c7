"""Those who ask an index, and how it is asked."""

from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc

from linkerd.index import Index
from linkerd.streams import StreamEnd, Subscription
from tests.support.indexes.stored import Cluster

if TYPE_CHECKING:
    from tests.support.indexes.law import Law

UNKNOWN: Final = object()
"""A model's answer to what it says nothing of."""


class Client(Protocol):
    """Reads a stream, and those that come after it, as the service's clients do; breaking their
    rules is an AssertionError."""

    @property
    def known(self) -> Any:
        """What it has been told; compared with what others have."""

    def take(self, raw: bytes) -> object:
        """A message comes."""

    def reconnect(self) -> None:
        """Another stream begins."""


class World(Protocol):
    """An index and how it is asked. `follow` raises what the law calls refusals."""

    @property
    def index(self) -> Index[Any, Any]:
        """What the law feeds."""

    def follow(self, query: Any) -> Subscription:
        """Opens a stream."""


class Follower:
    """Somebody who asks for one thing, again whenever the stream ends. `open` says whether its
    stream can say more; `ended` that it said that there is no more; `gave_up` that it does not ask
    again."""

    def __init__(self, law: "Law", query: Any) -> None:
        self.law = law
        self.query = query
        self.client = law.client(query)
        self.answered = False
        self.open = False
        self.ended = False
        self.gave_up = False
        self._subscription: Subscription | None = None

    def connect(self, world: World) -> None:
        """Opens a stream, if one is to be had."""
        self.ended = False
        if self.gave_up:
            return
        try:
            self._subscription = world.follow(self.query)
        except self.law.refusals as error:
            self.gave_up = isinstance(error, self.law.final)
            return
        if self.answered:
            self.client.reconnect()
        self.answered = self.open = True

    def read(self) -> int:
        """Reads all that there is; how many messages came."""
        number = 0
        while self.sip():
            number += 1
        return number

    def sip(self) -> bool:
        """Reads one message, which may be a part of what was to be told; whether there was one. A
        stream that ends well is closed."""
        if self._subscription is None or not self.open:
            return False
        try:
            raw = self._subscription.poll()
        except StreamEnd as end:
            if end.code is not grpc.StatusCode.OK:
                raise
            self.close()
            self.ended = True
            return False
        if raw is not None:
            self.client.take(raw)
        return raw is not None

    def close(self) -> None:
        """The stream ends."""
        if self._subscription is not None and self.open:
            self._subscription.close()
        self.open = False

    def check(self, fresh: World, here: Cluster | None = None) -> None:
        """It knows what it would be told by `fresh`, as far as that tells anything; and that is
        what the model makes of the objects of `here`."""
        self.read()
        if not self.open:
            return
        other = self.law.client(self.query)
        try:
            stream = fresh.follow(self.query)
        except self.law.silent:
            return
        except self.law.refusals:
            assert self.law.refused(self.client)
            return
        for raw in iter(stream.poll, None):
            other.take(raw)
        stream.close()
        assert self.client.known == other.known
        if here is not None and self.law.model is not None:
            expected = self.law.model(here, self.query)
            assert expected is UNKNOWN or other.known == expected
