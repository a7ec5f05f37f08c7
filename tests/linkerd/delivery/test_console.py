"""Programs that share a terminal: their lines are told apart, and they end together."""

import asyncio
import io
import os
import signal
import sys
import time

import pytest

from linkerd.delivery.console import run_together

SAY_AND_WAIT = """
import signal, sys
print("from {name}", flush=True)
signal.sigwait([signal.SIGTERM])
print("calm end of {name}", flush=True)
"""


def waiting(name: str) -> list[str]:
    source = SAY_AND_WAIT.replace("{name}", name)
    return [sys.executable, "-c", f"import signal; signal.pthread_sigmask(0, [15])\n{source}"]


class Screen(io.StringIO):
    """Tells when all of some lines have been written."""

    def __init__(self, *wanted: str) -> None:
        super().__init__()
        self._wanted = wanted
        self.complete = asyncio.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if all(line in self.getvalue() for line in self._wanted):
            self.complete.set()
        return written


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_lines_carry_names_and_one_signal_ends_all(number: signal.Signals) -> None:
    screen = Screen("one   | from one\n", "three | from three\n")
    programs = {"one": waiting("one"), "three": waiting("three")}
    running = asyncio.create_task(run_together(programs, screen, colour=False))
    await asyncio.wait_for(screen.complete.wait(), 20)
    os.kill(os.getpid(), number)
    assert await asyncio.wait_for(running, 20) == 0
    assert "one   | calm end of one\n" in screen.getvalue()
    assert "three | calm end of three\n" in screen.getvalue()


async def test_one_that_ends_ends_all() -> None:
    screen = Screen()
    programs = {"stays": waiting("stays"), "ends": [sys.executable, "-c", "exit(3)"]}
    began = time.monotonic()
    assert await asyncio.wait_for(run_together(programs, screen, colour=True), 20) == 1
    assert time.monotonic() - began < 10
    assert "ends ended with exit code 3; all are stopped\n" in screen.getvalue()


async def test_one_that_cannot_start_ends_all() -> None:
    programs = {"stays": waiting("stays"), "absent": ["/no/such/program"]}
    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(run_together(programs, Screen(), colour=False), 20)
    assert raised.group_contains(FileNotFoundError)
