"""The queue of log lines, with a writer that the test lets write."""

import io
import logging
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from linkerd.runtime import log_queue
from linkerd.runtime.log_queue import LogQueue, writer_to

MISSING = re.compile(r"(\d+) log lines are missing here")


class Reader:
    """What the lines are written to: takes a batch when it may, or refuses it."""

    def __init__(self) -> None:
        self.text = ""
        self.refused = ""
        self._may: SimpleQueue[bool] = SimpleQueue()
        self._free = False
        self.asked = threading.Semaphore(0)

    def write(self, lines: bytes) -> None:
        """As a blocking write to a pipe."""
        self.asked.release()
        if not self._free and not self._may.get(timeout=20):
            self.refused += lines.decode()
            raise BrokenPipeError("nobody reads")
        self.text += lines.decode()

    def take(self, *, well: bool = True) -> None:
        """Lets one write end."""
        self._may.put(well)

    def take_all(self) -> None:
        """Lets every write end from now on."""
        self._free = True
        self._may.put(True)


@contextmanager
def queue_to(reader: Reader, **bounds: int) -> Iterator[LogQueue]:
    """A queue in front of `reader`, whose lines are the bare messages."""
    queue = LogQueue(reader.write, **bounds)
    try:
        yield queue
    finally:
        reader.take_all()
        queue.flush()
        queue.close()


def log(queue: LogQueue, text: str, *arguments: object) -> None:
    queue.handle(logging.LogRecord("test", logging.INFO, "file.py", 7, text, arguments, None))


def fill(queue: LogQueue, reader: Reader, count: int, text: str = "{}") -> None:
    """Logs `count` lines while the first of them, alone, is being written."""
    log(queue, text.format(0))
    assert reader.asked.acquire(timeout=20)
    for number in range(1, count):
        log(queue, text.format(number))


def test_lines_go_out_in_order() -> None:
    reader = Reader()
    with queue_to(reader) as queue:
        fill(queue, reader, 100)
        reader.take_all()
        queue.flush()
        assert reader.text.split() == [str(number) for number in range(100)]
        assert queue.dropped == 0


def test_lines_that_come_close_together_share_a_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_queue, "_REST", 0.3)
    reader = Reader()
    reader.take_all()
    with queue_to(reader) as queue:
        log(queue, "first")
        queue.flush()
        for number in range(5):
            log(queue, str(number))
            time.sleep(0.001)  # in which a thread that waits for lines would write this one
        queue.flush()
    writes = sum(1 for _ in iter(lambda: reader.asked.acquire(blocking=False), False))
    assert writes == 2


@pytest.mark.parametrize(
    ("bounds", "kept"), [({"max_lines": 10}, 10), ({"max_bytes": 100, "max_lines": 1000}, 10)]
)
def test_the_newest_are_dropped_counted_and_told(bounds: dict[str, int], kept: int) -> None:
    reader = Reader()
    with queue_to(reader, **bounds) as queue:
        fill(queue, reader, 50, text="line {:04}")  # 10 bytes each
        assert queue.dropped == 50 - kept
        reader.take_all()
        queue.flush()
        log(queue, "afterwards")
        queue.flush()
    *first, missing, last = reader.text.splitlines()
    assert first == [f"line {number:04}" for number in range(kept)]
    assert missing.startswith("40 log lines are missing here")
    assert last == "afterwards"
    assert queue.dropped == 40


def test_no_line_is_kept_before_half_is_written() -> None:
    """Else each line that fits would stand between two that say what is missing."""
    reader = Reader()
    with queue_to(reader, max_lines=10) as queue:
        fill(queue, reader, 12)
        reader.take()  # the first line
        assert reader.asked.acquire(timeout=20)  # the other nine are being written
        log(queue, "dropped")
        assert queue.dropped == 3


def test_what_is_dropped_is_not_formatted() -> None:
    class Costly:
        def __str__(self) -> str:
            raise AssertionError("formatted")

    reader = Reader()
    with queue_to(reader, max_lines=2) as queue:
        fill(queue, reader, 3)
        log(queue, "%s", Costly())
        assert queue.dropped == 2
    assert "cannot be written" not in reader.text


def test_a_line_longer_than_the_queue_goes_alone() -> None:
    reader = Reader()
    with queue_to(reader, max_bytes=10) as queue:
        log(queue, "x" * 1000)
        assert reader.asked.acquire(timeout=20)
        log(queue, "y")
        assert queue.dropped == 1
    assert reader.text.startswith("x" * 1000)


def test_a_line_that_cannot_be_formatted_says_where_it_is() -> None:
    reader = Reader()
    reader.take_all()
    with queue_to(reader) as queue:
        log(queue, "%d lines", "many")
        queue.flush()
    assert reader.text.startswith("a line of test cannot be written: TypeError (file.py line 7)")


def test_text_that_utf_8_does_not_have() -> None:
    reader = Reader()
    reader.take_all()
    with queue_to(reader) as queue:
        log(queue, "half \ud83d")
        queue.flush()
    assert reader.text == "half \\ud83d\n"


def test_a_closed_stream_ends_nothing() -> None:
    stream = io.StringIO()
    queue = LogQueue(writer_to(stream))
    stream.close()
    log(queue, "nobody will know")
    queue.flush()
    assert queue.dropped == 1
    queue.close()


def test_a_pipe_that_never_blocks_is_waited_for() -> None:
    """Another program may have made it so: a terminal is shared."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "w") as stream:
        queue = LogQueue(writer_to(stream))
        for number in range(2000):
            log(queue, f"{number:0100}")
        assert [int(pipe.readline()) for _ in range(2000)] == list(range(2000))
        assert queue.dropped == 0
        queue.close()


def test_flushing_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_queue, "FLUSH_SECONDS", 0.01)
    reader = Reader()
    with queue_to(reader) as queue:
        log(queue, "stuck")
        queue.flush()
        assert reader.text == ""


STEPS = st.lists(
    st.tuples(st.sampled_from(["log", "take", "refuse"]), st.integers(1, 8)), max_size=30
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_every_line_is_written_or_told_to_be_missing(steps: list[tuple[str, int]]) -> None:
    """Whatever comes first: lines, a reader that reads, one that is gone for a while."""
    reader, logged = Reader(), 0
    with queue_to(reader, max_lines=6, max_bytes=40) as queue:
        for what, count in steps:
            if what == "log":
                for number in range(logged, logged + count):
                    log(queue, str(number))
                logged += count
            else:
                reader.take(well=what == "take")
        reader.take_all()
        queue.flush()
        log(queue, str(logged))
        queue.flush()
    written = [int(line) for line in reader.text.splitlines() if line.isdecimal()]
    told = [int(number) for number in MISSING.findall(reader.text + reader.refused)]
    told_to_nobody = len(MISSING.findall(reader.refused))
    assert written == sorted(set(written))
    assert written[-1] == logged
    assert queue.dropped == logged + 1 - len(written) + told_to_nobody
    assert sum(told) == queue.dropped
