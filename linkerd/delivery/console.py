"""Run several programs in one terminal: every line behind its program's name, one end for all.

Programs run in sessions of their own, so that ctrl-C reaches only us and each is stopped once, in
order. When one ends by itself all are stopped: half a control plane is no place to look for faults.
"""

import asyncio
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO, cast

COLOURS: Final = ("36", "35", "33", "32", "34")
GRACE_SECONDS: Final = 10.0
_LINE_LIMIT: Final = 1 << 20


async def run_together(
    programs: Mapping[str, Sequence[str]], output: TextIO, *, colour: bool
) -> int:
    """Start every program; return when all have ended. 0 when we were told to stop (ctrl-C or
    SIGTERM), 1 when a program ended before that."""
    told = _told_to_stop()
    width = max(map(len, programs), default=0)
    running: dict[str, asyncio.subprocess.Process] = {}
    async with asyncio.TaskGroup() as group:
        try:
            for index, (name, argv) in enumerate(programs.items()):
                process = running[name] = await _start(argv)
                prefix = _prefix(name.ljust(width), COLOURS[index % len(COLOURS)], colour=colour)
                group.create_task(_copy(process, prefix, output), name=f"output of {name}")
            ended = await _first_end(running, told)
        finally:
            await _stop_all(running.values())
    for name in ended:
        output.write(f"{name} ended with exit code {running[name].returncode}; all are stopped\n")
    return 1 if ended else 0


def _told_to_stop() -> asyncio.Event:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


async def _start(argv: Sequence[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=_LINE_LIMIT,
    )


async def _copy(process: asyncio.subprocess.Process, prefix: str, output: TextIO) -> None:
    lines = cast("asyncio.StreamReader", process.stdout)  # _start asks for it
    async for line in lines:
        output.write(f"{prefix}{line.decode(errors='replace').rstrip()}\n")
        output.flush()


async def _first_end(
    running: Mapping[str, asyncio.subprocess.Process], told: asyncio.Event
) -> list[str]:
    """The programs that ended by themselves; none when we were told to stop before."""
    ends = {asyncio.create_task(process.wait()): name for name, process in running.items()}
    stop = asyncio.create_task(told.wait())
    try:
        done, _ = await asyncio.wait({*ends, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (*ends, stop):
            task.cancel()
    return [] if stop in done else [ends[task] for task in done if task in ends]


async def _stop_all(processes: Iterable[asyncio.subprocess.Process]) -> None:
    alive = [process for process in processes if process.returncode is None]
    for process in alive:
        process.terminate()
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            for process in alive:
                await process.wait()
    except TimeoutError:
        for process in alive:
            if process.returncode is None:
                process.kill()


def _prefix(name: str, code: str, *, colour: bool) -> str:
    return f"\x1b[{code}m{name}\x1b[0m | " if colour else f"{name} | "
