"""What requests hold until they are served, and how much that may be.

A call holds its headers until its method has returned, as a method may look at them, and its body
until that is whole. The law: what `Holdings` says is held is the sum of what its open requests
hold, whatever ended the others.
"""

from collections.abc import Sequence
from typing import Final

import grpc

from linkerd.rpc.body import Body
from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2.headers import Header
from linkerd.rpc.h2.limits import SMALL_REQUEST_BYTES

_HEADER_BYTES: Final = 150  # of objects around the text of each header
_EMPTY: Final = Body(0)


class Holdings:
    """Of a connection, which `whole`, those of the process, counts too. `waiting` are the requests
    that must come to their end, the oldest first, with the ids of their streams."""

    __slots__ = ("bytes", "limit", "unfinished", "waiting", "whole")

    def __init__(self, limit: int, whole: "Holdings | None" = None) -> None:
        self.bytes = 0
        self.unfinished = 0
        self.limit = limit
        self.whole = whole
        self.waiting: dict[Receiving, int] = {}

    def hold(self, size: int, of_one: int) -> None:
        """Counts `size` more of a request that holds `of_one` with it. Raises RpcError
        RESOURCE_EXHAUSTED when it is too much now; small ones do not suffer from what large ones
        hold."""
        self._add(size)
        if of_one <= SMALL_REQUEST_BYTES:
            return
        if self.bytes > self.limit:
            raise _too_much("this connection", self.limit)
        if self.whole is not None and self.whole.bytes > self.whole.limit:
            raise _too_much("this server", self.whole.limit)

    def let_go(self, size: int) -> None:
        """Of what was held."""
        self._add(-size)

    def count(self, requests: int) -> None:
        """So many more, or less, are unfinished."""
        self.unfinished += requests
        if self.whole is not None:
            self.whole.unfinished += requests

    def _add(self, size: int) -> None:
        self.bytes += size
        if self.whole is not None:
            self.whole.bytes += size


class Receiving:
    """Of one call, whose messages may have `limit` bytes. `mark` is what its `Inbox` knows its age
    by."""

    __slots__ = ("_body", "_held", "_holdings", "_open", "mark")

    def __init__(self, holdings: Holdings, stream_id: int, limit: int, mark: int) -> None:
        self._holdings = holdings
        self._body = Body(limit)
        self._held = 0
        self._open = True
        self.mark = mark
        holdings.waiting[self] = stream_id
        holdings.count(1)

    @property
    def held(self) -> int:
        """Bytes."""
        return self._held

    def hold(self, size: int) -> None:
        """Also holds this. Raises RpcError as `Holdings.hold`."""
        self._held += size
        self._holdings.hold(size, self._held)

    def hold_headers(self, headers: Sequence[Header]) -> None:
        """Holds the headers. Raises RpcError as `Holdings.hold`."""
        self.hold(sum(len(name) + len(value) + _HEADER_BYTES for name, value in headers))

    def let_go(self, size: int) -> None:
        """Of what is held besides the body."""
        size = min(size, self._held)
        self._held -= size
        self._holdings.let_go(size)

    def feed(self, data: bytes) -> None:
        """Takes in some of the body. Raises RpcError as `Body.feed` and `Holdings.hold`."""
        self._body.feed(data)
        self.hold(len(data))

    def converse(self) -> None:
        """Its messages are taken one by one, and it may take its time."""
        self._holdings.waiting.pop(self, None)

    def take(self) -> bytes | None:
        """The next message, if it is whole. Raises RpcError as `Body.take`."""
        before = len(self._body)
        try:
            return self._body.take()
        finally:
            self.let_go(before - len(self._body))

    def end(self) -> bytes:
        """The one message of a request that has ended. Raises RpcError as `Body.only`."""
        body = self._close()
        return body.only()

    def end_conversation(self) -> None:
        """No more messages come. Raises RpcError INTERNAL when one is cut."""
        if len(self._close()):
            raise RpcError(grpc.StatusCode.INTERNAL, "the request ends within a message")

    def release(self) -> None:
        """Lets go of everything. Harmless again."""
        if self._open:
            self._close()
        self.let_go(self._held)

    def _close(self) -> Body:
        """Nothing more comes; what has."""
        self._open = False
        self._holdings.waiting.pop(self, None)
        self._holdings.count(-1)
        body, self._body = self._body, _EMPTY
        self.let_go(len(body))
        return body


def _too_much(whose: str, limit: int) -> RpcError:
    return RpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"unfinished requests of {whose} have over {limit} bytes",
    )
