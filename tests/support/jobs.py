"""Programs of ours that do their work and end."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.forkserver import start_program

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
    fork: bool = True,
) -> Finished:
    """`python -m module arguments`, or a fork, to its end, with no environment but the given one.

    With `interrupt_after` it gets a SIGTERM once that has returned.
    """
    variables = {"HOME": "/nonexistent", **(environ or {})}
    with start_program(
        module, *arguments, environ=variables, stdout=subprocess.PIPE, fork=fork
    ) as process:
        try:
            if interrupt_after is not None:
                async with asyncio.timeout(DEADLINE):
                    await interrupt_after()
                process.terminate()
            out, err = await asyncio.to_thread(process.communicate, timeout=DEADLINE)
        finally:
            process.kill()
    return Finished(process.wait(), out, err)
