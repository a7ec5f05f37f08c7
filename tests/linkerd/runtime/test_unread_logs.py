"""A service whose standard error is not read, is closed, or leads nowhere: it serves all the same.

The child is this module as a program, a service that logs much more than a pipe holds.
"""

import asyncio
import fcntl
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final

import pytest

from linkerd.local.ports import choose_port
from linkerd.runtime.errors import StartError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import Process
from linkerd.runtime.service import launch
from linkerd.runtime.settings import GrpcSettings, setting
from tests.support.eventually import eventually
from tests.support.forkserver import ForkedProgram, Popen, Stream

MODULE: Final = "tests.linkerd.runtime.test_unread_logs"
PROGRAM: Final = (sys.executable, "-m", MODULE)
"""This file, as a service: pytest runs in the root of the tree, where `tests` is found."""

LINES: Final = 1_200
"""Of 1,600 bytes each: nearly twice what pipe and queue hold."""


@dataclass(frozen=True, kw_only=True)
class Settings(GrpcSettings):
    """`fails` makes the start end with an error."""

    fails: bool = setting(default=False, doc="Whether the start fails.")


async def start(settings: Settings, process: Process) -> None:
    """Logs LINES lines, then is ready; or fails."""
    if settings.fails:
        raise StartError("file: is not there; put it there")
    process.start("flood", flood(process))


async def flood(process: Process) -> None:
    gate = process.readiness.gate("flood")
    for number in range(LINES):
        get_logger("linkerd.test").info("flood " + "x" * 1500, count=number)
        if number % 5 == 0:
            await asyncio.sleep(0)
    gate.open()
    await process.stopping()


@contextmanager
def service(stderr: Stream, *, closed: bool = False) -> Iterator["Service"]:
    """A child; `closed` starts it without any standard error."""
    port = choose_port("127.0.0.1", set())
    flags = [f"--admin-addr=127.0.0.1:{port}", "--log-format=json"]
    child: Popen
    if closed:
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *PROGRAM, *flags]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr, text=True)
    else:
        child = ForkedProgram(MODULE, *flags, stderr=stderr)
    with child:
        try:
            yield Service(child, f"http://127.0.0.1:{port}")
        finally:
            child.kill()


class Service:
    """A child and its admin server."""

    def __init__(self, child: Popen, url: str) -> None:
        self.child = child
        self._url = url

    def page(self, path: str) -> str:
        """Raises OSError unless it answers well within the second that a probe has."""
        with urllib.request.urlopen(f"{self._url}{path}", timeout=1) as response:
            return str(response.read().decode())

    def answers(self, path: str) -> bool:
        try:
            return bool(self.page(path))
        except OSError:
            return False

    async def flooded(self) -> None:
        """Returns when all is logged; /live answers all the while, once it has answered."""
        await eventually(lambda: self.answers("/live"), "the admin server", 20)
        while not self.answers("/ready"):
            assert self.page("/live") == "pong\n"
            assert self.child.poll() is None

    def dropped(self) -> int:
        found = re.search(r"^log_lines_dropped_total (\S+)$", self.page("/metrics"), re.MULTILINE)
        assert found is not None
        return int(float(found[1]))

    def end(self) -> tuple[int, float]:
        """Exit code, and how long it took."""
        begun = time.monotonic()
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(20), time.monotonic() - begun


async def test_a_pipe_that_nobody_reads_stops_nothing() -> None:
    """And what is missing is said where it is missing, once somebody reads."""
    with service(subprocess.PIPE) as running:
        pipe: Any = running.child.stderr
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        await running.flooded()
        assert running.page("/ping") == "pong\n"
        dropped = running.dropped()
        assert 0 < dropped < LINES

        lines = await asyncio.to_thread(_until, "log lines are missing here", pipe)
        assert running.dropped() == dropped
        assert running.end()[0] == 0
        rest = pipe.read()
    flooded = [number for line in lines if (number := _number(line)) is not None]
    assert flooded == list(range(len(flooded)))  # the oldest are kept
    said = re.search(r"(\d+) log lines are missing", lines[-1])
    assert said is not None
    assert int(said[1]) == dropped
    assert "missing here" not in rest
    assert rest.splitlines()[-1].count('"stopped"') == 1


def _until(text: str, pipe: IO[str]) -> list[str]:
    """What the pipe brings, up to the line that has `text`."""
    lines = []
    for line in pipe:
        lines.append(line)
        if text in lines[-1]:
            break
    return lines


def _number(line: str) -> int | None:
    found = re.search(r'"event": "flood x+", "count": (\d+)', line)
    return int(found[1]) if found else None


async def test_a_pipe_that_nobody_reads_delays_the_end_by_little() -> None:
    with service(subprocess.PIPE) as running:
        await running.flooded()
        code, seconds = running.end()
    assert code == 0
    assert seconds < 6


@pytest.mark.parametrize("closed", [False, True])
async def test_without_a_reader_at_all(closed: bool) -> None:
    """A pipe whose reader has gone, and no standard error from the start."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as broken, service(broken, closed=closed) as running:
        await running.flooded()
        assert running.page("/ping") == "pong\n"
        assert (running.dropped() > LINES / 2) != closed  # /dev/null takes everything
        assert running.end()[0] == 0


def test_what_fails_at_the_start_is_said_before_the_end() -> None:
    command = [*PROGRAM, "--admin-addr=127.0.0.1:0", "--fails"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "error='file: is not there; put it there' task=start" in done.stderr
    assert "stopped" in done.stderr.splitlines()[-1]


if __name__ == "__main__":
    sys.exit(launch(Settings, start, name="destination"))
