"""Newline-separated JSON out of arbitrary chunks.

Not aiohttp's own line iterator: that one fails on lines above its buffer limit (an object may be
larger than a megabyte) and hands over one line at a time, while the index wants all events that one
read brought in one batch.
"""

from linkerd.kube.errors import TooLarge


class LineSplitter:
    """Feed chunks as they come, get the lines that they complete. `limit`: bytes of a line."""

    __slots__ = ("_limit", "_pending")

    def __init__(self, limit: int) -> None:
        self._pending = bytearray()  # in one piece: chunks may be of a byte each
        self._limit = limit

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished line are held."""
        return len(self._pending)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Complete lines without their newline, empty ones left out.

        Raises TooLarge when a line outgrows the limit.
        """
        head, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            self._hold(chunk)
            return []
        whole = b"".join((self._pending, head)) if self._pending else head
        self._pending = bytearray()
        self._hold(tail)
        return [line for line in whole.split(b"\n") if line]

    def _hold(self, part: bytes) -> None:
        self._pending += part
        if len(self._pending) > self._limit:
            raise TooLarge(f"a line of the stream is longer than {self._limit} bytes")
