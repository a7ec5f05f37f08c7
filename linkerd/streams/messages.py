"""Messages that are encoded when the first reader comes to them, and kept for the others."""

from collections.abc import Iterator, Sequence


class Messages:
    """What `source` yields, for any number of readers at any pace. What it raises, every reader
    that comes there gets: none takes a part for the whole."""

    __slots__ = ("_error", "_made", "_source")

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._made: list[bytes] = []
        self._error: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        at = 0
        while at < len(self._made) or self._make():
            yield self._made[at]
            at += 1

    def _make(self) -> bool:
        """Encodes one more, if there is one."""
        if self._error is not None:
            raise RuntimeError(self._error)
        try:
            message = next(self._source, None)
        except Exception as error:
            self._error = f"encoding failed before: {error!r}"
            raise
        if message is None:
            return False
        self._made.append(message)
        return True


Told = Sequence[bytes] | Messages
"""What takes a reader from one state to another."""
