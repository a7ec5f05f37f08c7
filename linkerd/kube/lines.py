"""Newline-separated JSON out of arbitrary chunks.

Not aiohttp's own line iterator: that one fails on lines above its buffer limit (an object may be
larger than a megabyte) and hands over one line at a time, while the index wants all events that one
read brought in one batch.
"""

from typing import Final

from linkerd.kube.errors import ProtocolError

MAX_LINE: Final = 32 * 1024 * 1024  # bytes; etcd's objects end near 1.5 MiB, JSON inflates them


class LineSplitter:
    """Feed chunks as they come, get the lines that they complete."""

    __slots__ = ("_limit", "_pending", "_size")

    def __init__(self, limit: int = MAX_LINE) -> None:
        self._pending: list[bytes] = []
        self._size = 0
        self._limit = limit

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished line are held."""
        return self._size

    def feed(self, chunk: bytes) -> list[bytes]:
        """Complete lines without their newline, empty ones left out.

        Raises ProtocolError when a line outgrows the limit.
        """
        head, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            self._hold(chunk)
            return []
        lines = b"".join((*self._pending, head)).split(b"\n")
        self._pending, self._size = [], 0
        self._hold(tail)
        return [line for line in lines if line]

    def _hold(self, part: bytes) -> None:
        if part:
            self._pending.append(part)
            self._size += len(part)
        if self._size > self._limit:
            raise ProtocolError(f"a line of the stream is longer than {self._limit} bytes")
