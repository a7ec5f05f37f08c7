"""gRPC's framing: DATA in, whole messages out."""

from typing import ClassVar, Final

import grpc

from linkerd.rpc.errors import RpcError

_PREFIX: Final = 5  # bytes: compressed flag, length


class Body:
    """What has come of a request's messages and was not taken yet."""

    WHAT: ClassVar = "request"
    TAKER: ClassVar = "server"
    """As errors' texts call them."""

    __slots__ = ("_data", "_limit")

    def __init__(self, limit: int) -> None:
        self._data = bytearray()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Raises RpcError: RESOURCE_EXHAUSTED for a message over the limit, as soon as its length
        is known, and UNIMPLEMENTED for a compressed one."""
        self._data += data
        self._check()

    def take(self) -> bytes | None:
        """The next message if it is whole. Raises as `feed`, for the message after it."""
        if len(self._data) < _PREFIX or len(self._data) < (end := _PREFIX + self._length()):
            return None
        message = bytes(self._data[_PREFIX:end])
        del self._data[:end]
        self._check()
        return message

    def only(self) -> bytes:
        """The message of a request that has ended. Raises RpcError when there is not exactly
        one."""
        message = self.take()
        if message is None and self._data:
            raise RpcError(grpc.StatusCode.INTERNAL, "the request ends within its message")
        if message is None or self._data:
            count = "no message" if message is None else "more than one message"
            raise RpcError(grpc.StatusCode.UNIMPLEMENTED, f"the request has {count}")
        return message

    def _length(self) -> int:
        return int.from_bytes(self._data[1:_PREFIX])

    def _check(self) -> None:
        if len(self._data) < _PREFIX:
            return
        if self._data[0]:
            raise RpcError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"the {self.WHAT} is compressed; this {self.TAKER} takes none",
            )
        if (length := self._length()) > self._limit:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"the {self.WHAT} has {length} bytes; the limit is {self._limit}",
            )
