"""Programs under measurement: started plainly, watched from outside.

CPU is read from the process's CPU clock, in nanoseconds: `/proc/PID/stat` counts in ticks of
10 ms, in which several hundred streams can be told of a change.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent


class BenchError(Exception):
    """A measurement could not be taken; the message says what happened and where to look."""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_ns(pid: int) -> int:
    """CPU that a process has used, threads that ended included, in nanoseconds. Linux."""
    return time.clock_gettime_ns((~pid << 3) | 2)  # what clock_getcpuclockid(3) computes


def rss_bytes(pid: int) -> int:
    """Resident memory of a process, in bytes."""
    return int(psutil.Process(pid).memory_info().rss)


async def settled(pid: int, *, window: float = 0.03, limit: float = 10.0) -> None:
    """Return once a process is idle: under 3% of one CPU for two windows in a row.

    What a change costs ends later than the last stream hears of it (garbage, acknowledgements,
    window updates). A process that is never idle is measured as it stands after `limit` seconds.
    """
    deadline = time.monotonic() + limit
    calm, used = 0, cpu_ns(pid)
    while calm < 2 and time.monotonic() < deadline:
        await asyncio.sleep(window)
        now = cpu_ns(pid)
        calm = calm + 1 if now - used < window * 1e9 * 0.03 else 0
        used = now


@dataclass(frozen=True, slots=True)
class Server:
    """A running service: where it serves, and how long it took to be ready."""

    pid: int
    address: str
    admin: str
    ready_seconds: float
    log: Path


async def _wait_ready(process: asyncio.subprocess.Process, admin: str, limit: float) -> None:
    deadline = time.monotonic() + limit
    while not await asyncio.to_thread(_is_ready, admin):
        if process.returncode is not None:
            raise BenchError(f"the server ended with status {process.returncode} before ready")
        if time.monotonic() > deadline:
            raise BenchError(f"the server is not ready after {limit:.0f} s")
        await asyncio.sleep(0.01)


def _is_ready(admin: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{admin}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextlib.asynccontextmanager
async def serve(
    service: str,
    kubeconfig: Path,
    arguments: Sequence[str] = (),
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    limit: float = 120.0,
) -> AsyncIterator[Server]:
    """Run `python -m services.<service>` until the block ends; enter the block once ready."""
    address, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", f"services.{service}", "--kubeconfig", str(kubeconfig)]
    command += ["--addr", address, "--admin-addr", admin, *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        begun = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=sink,
            stderr=sink,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        try:
            await _wait_ready(process, admin, limit)
            yield Server(process.pid, address, admin, time.monotonic() - begun, log)
        except BenchError as error:
            raise BenchError(f"{error}; its log is {log}") from error
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process, patience: float = 10.0) -> None:
    """SIGTERM, and SIGKILL for a process that does not heed it."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            process.kill()
            await process.wait()
