"""Programs of ours that do their work and end."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

DEADLINE: Final = 30.0
"""Seconds that a job may take; a healthy one takes one."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Exit code and output of a job."""

    code: int
    out: str
    err: str

    @property
    def entries(self) -> Sequence[Mapping[str, Any]]:
        """The log, of a job that was given `-log-format=json`."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    @property
    def complaints(self) -> Sequence[Mapping[str, Any]]:
        """What it logged as a warning or worse."""
        return [entry for entry in self.entries if entry["level"] not in {"debug", "info"}]


async def run_job(
    module: str,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    interrupt_after: Callable[[], Awaitable[object]] | None = None,
) -> Finished:
    """`python -m module arguments`, to its end, with no environment but the given one.

    With `interrupt_after` it gets a SIGTERM once that has returned.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"HOME": "/nonexistent", **(environ or {})},
    )
    try:
        async with asyncio.timeout(DEADLINE):
            if interrupt_after is not None:
                await interrupt_after()
                process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Finished(await process.wait(), out.decode(), err.decode())
