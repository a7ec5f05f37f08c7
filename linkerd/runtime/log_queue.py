"""Log lines on their way out: whoever logs never waits for whoever reads.

A write to standard error blocks once the reader of the pipe has stopped, and on the event loop that
would stop every stream and every probe. So lines wait in a queue that is bounded by bytes and by
lines, and one thread writes them. It rests between two writes: to wake up for each line, and take
the interpreter's lock from who logs, costs more than the line. While the queue is full the newest
lines are dropped, which keeps what led to it: they are counted and not even formatted. When half of
the queue has gone out a line says how many are missing there. Lines that cannot be written (nobody
reads, a disk is full) count as dropped too, and end nothing.
"""

import io
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Final, TextIO

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

MAX_BYTES: Final = 1 << 20
MAX_LINES: Final = 10_000
FLUSH_SECONDS: Final = 2.0
"""How long `flush`, and so the end of the process, waits for a reader."""

_BATCH: Final = 64 * 1024  # bytes of one write
_REST: Final = 0.005  # seconds after a write that emptied the queue, in which lines gather
_MISSING: Final = "%d log lines are missing here: what reads them was too slow, or did not read"
_UNFIT: Final = "a line of %s cannot be written: %s (%s line %d)"


class LogQueue(logging.Handler):
    """Hands formatted lines to `write`, which may block and may raise OSError, in a thread."""

    def __init__(
        self,
        write: Callable[[bytes], object],
        *,
        max_bytes: int = MAX_BYTES,
        max_lines: int = MAX_LINES,
    ) -> None:
        super().__init__()
        self.dropped = 0
        self._write = write
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        # The handler's own lock, which `emit` holds, guards all numbers. Nothing blocks under it.
        self._changed = threading.Condition(self.lock)
        self._waiting_lines = 0
        self._waiting_bytes = 0
        self._told = 0  # of those that were dropped
        self._full = False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queues the record's line, or drops it. Called with the lock held."""
        if self._full:
            self.dropped += 1
        else:
            self._put(self._line(record))

    def flush(self) -> None:
        """Returns when every line has been written, or after FLUSH_SECONDS."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting_lines, FLUSH_SECONDS)

    def close(self) -> None:
        """Ends the thread once it has written what waits."""
        self._lines.put(None)
        super().close()

    def _put(self, line: bytes) -> None:
        # A line that is longer than the whole queue goes when it is alone.
        too_long = self._waiting_lines and self._waiting_bytes + len(line) > self._max_bytes
        if too_long or self._waiting_lines >= self._max_lines:
            self._full = True
            self.dropped += 1
            return
        self._waiting_lines += 1
        self._waiting_bytes += len(line)
        self._lines.put(line)

    def _line(self, record: logging.LogRecord) -> bytes:
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001  # whatever values do when they are shown
            where = (record.name, type(error).__name__, record.pathname, record.lineno)
            text = self.format(_own(logging.ERROR, _UNFIT, *where))
        return f"{text}\n".encode(errors="backslashreplace")

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._write(b"".join(batch))
                written = True
            except (OSError, ValueError):  # ValueError: a stream that was closed
                written = False
            with self._changed:
                self._went(batch, written=written)
                rest = not self._waiting_lines
            if rest:
                time.sleep(_REST)

    def _take(self) -> list[bytes] | None:
        """The next lines, once there are any; None at the end."""
        batch: list[bytes] = []
        size = 0
        while size < _BATCH:
            try:
                line = self._lines.get(block=not batch)
            except Empty:
                break
            if line is None and not batch:
                return None
            if line is None:
                self._lines.put(None)  # for the next time
                break
            batch.append(line)
            size += len(line)
        return batch

    def _went(self, batch: list[bytes], *, written: bool) -> None:
        self._waiting_lines -= len(batch)
        self._waiting_bytes -= sum(map(len, batch))
        if not written:
            self.dropped += len(batch)
        if self._has_room():
            self._full = False
            if written and self.dropped > self._told:
                missing, self._told = self.dropped - self._told, self.dropped
                self._put(self._line(_own(logging.WARNING, _MISSING, missing)))
        self._changed.notify_all()

    def _has_room(self) -> bool:
        return (
            self._waiting_lines <= self._max_lines // 2
            and self._waiting_bytes <= self._max_bytes // 2
        )


class DroppedLines(Collector):
    """`log_lines_dropped_total`, of the handlers that logging has at the time."""

    def collect(self) -> Iterable[Metric]:
        """One family."""
        handlers = logging.getLogger().handlers
        dropped = sum(each.dropped for each in handlers if isinstance(each, LogQueue))
        yield CounterMetricFamily(
            "log_lines_dropped", "Log lines that were not written: nobody read them.", dropped
        )


def writer_to(stream: TextIO) -> Callable[[bytes], object]:
    """What writes to the descriptor of `stream`, past its buffer, whose lock a thread that blocks
    would hold when the interpreter ends; or to the stream itself where it has none."""
    try:
        stream.fileno()
    except io.UnsupportedOperation:
        return lambda lines: (stream.write(lines.decode()), stream.flush())
    return lambda lines: _write_all(stream.fileno(), lines)  # one that was closed has none


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # another program that shares the pipe made it so
            select.select((), (descriptor,), ())


def _own(level: int, text: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(__name__, level, __file__, 0, text, arguments, None)
