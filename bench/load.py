"""The load generator's driver: builds it once per source digest, starts it, speaks its protocol.

The generator is a Go program (`bench/loadgen`): one JSON object a line out, one command a line
in. This side only waits; nothing here is on a measured path.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.processes import ROOT, BenchError
from linkerd.local.build import find_go
from linkerd.local.programs import cache_folder
from linkerd.local.progress import SilentProgress

SOURCE = Path(__file__).parent / "loadgen"
GET = "/io.linkerd.proxy.destination.Destination/Get"


class Wave(msgspec.Struct, frozen=True):
    """What every stream was waiting for is over: times in ms since `begun_unix_ns`."""

    streams: int
    lost: int
    messages: int
    bytes: int
    endpoints: int  # in first messages, where they are decoded
    begun_unix_ns: int
    first_ms: float
    median_ms: float
    p99_ms: float
    last_ms: float
    client_cpu_ms: float


class Status(msgspec.Struct, frozen=True):
    """The generator's counters; `ended` counts streams by gRPC status, `details` explains."""

    open: int
    paused: int
    messages: int
    bytes: int
    slow_messages: int
    ended: dict[str, int]
    details: dict[str, str]
    least: int  # messages of the stream that got the fewest, and the most
    most: int
    distinct_last: int = 0


def build(directory: Path = ROOT / "build" / "bench") -> dict[str, Path]:
    """Build the Go programs unless this source was built before; returns their paths."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes())
    home = directory / f"loadgen-{digest.hexdigest()[:16]}"
    if not home.exists():
        partial = home.with_suffix(f".{os.getpid()}")
        _go_build(partial)
        with contextlib.suppress(OSError):  # another run may have been faster
            partial.rename(home)
        shutil.rmtree(partial, ignore_errors=True)
    return {name: home / name for name in ("caller", "loadgen", "peer")}


def _go_build(target: Path) -> None:
    target.mkdir(parents=True)
    go = find_go(SOURCE, cache_folder(), SilentProgress(), os.environ)
    command = [str(go), "build", "-trimpath", "-o", f"{target}{os.sep}", "./..."]
    done = subprocess.run(
        command,
        cwd=SOURCE,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the load generator does not build:\n{done.stderr}")


class Conversation:
    """A child that answers in JSON lines. Events are awaited by name, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def event(self, name: str, limit: float) -> bytes:
        """The next line, which must be the named event; BenchError if it is not, or is late."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), limit)
        except TimeoutError:
            raise BenchError(f"no {name!r} from the load generator in {limit:.0f} s") from None
        if not line:
            raise BenchError(f"the load generator ended while {name!r} was awaited")
        got = msgspec.json.decode(line)["event"]
        if got != name:
            raise BenchError(f"the load generator said {got!r} where {name!r} was awaited")
        return line

    async def say(self, line: str) -> None:
        """Send one command line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def close_input(self) -> None:
        """Tell the child to stop, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, *command: str) -> AsyncIterator["Conversation"]:
        """Run a program until the block ends; end of input is its sign to stop."""
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        conversation = cls(process)
        try:
            yield conversation
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(conversation.close_input(), 30)
            if process.returncode is None:
                process.kill()
                await process.wait()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid


class Load:
    """Many open streams. Commands and answers alternate, so one caller at a time."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        target: str,
        requests: Sequence[bytes],
        *,
        streams: int,
        connections: int,
        method: str = GET,
        options: Sequence[str] = (),
    ) -> AsyncIterator["Load"]:
        """Open the streams; enter the block when all connections stand. Then await `first`."""
        arguments: dict[str, Any] = {
            "target": target,
            "method": method,
            "streams": streams,
            "connections": min(connections, streams),
        }
        command = [f"-{name}={value}" for name, value in arguments.items()]
        program = await asyncio.to_thread(build)
        with tempfile.NamedTemporaryFile("w", prefix="linkerd-bench-") as file:
            file.write("\n".join(request.hex() for request in requests))
            file.flush()
            command += [f"-requests={file.name}", *options]
            async with Conversation.start(str(program["loadgen"]), *command) as talk:
                await talk.event("connected", 60)
                yield cls(talk)

    async def first(self, limit: float = 120) -> Wave:
        """Every stream has its first message, or has ended."""
        return msgspec.json.decode(await self._conversation.event("first", limit), type=Wave)

    async def arm(self, messages: int = 1) -> None:
        """From now on, count: the wave is over when each stream has this many messages more."""
        await self._conversation.say(f"change {messages}")
        await self._conversation.event("armed", 10)

    async def changed(self, limit: float = 120) -> Wave:
        """The wave that `arm` began is over."""
        return msgspec.json.decode(await self._conversation.event("changed", limit), type=Wave)

    async def pause(self, streams: int) -> Status:
        """The first so many streams stop reading."""
        return await self._status(f"pause {streams}")

    async def resume(self) -> Status:
        """They read again."""
        return await self._status("resume")

    async def status(self) -> Status:
        """Counters as they are now."""
        return await self._status("status")

    async def _status(self, command: str) -> Status:
        await self._conversation.say(command)
        line = await self._conversation.event("status", 10)
        return msgspec.json.decode(line, type=Status)
