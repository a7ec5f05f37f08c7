"""The life of a controller in a process: it works while it holds its Lease, and an orderly end
finishes what waits and hands the Lease on."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from linkerd.kube.controller.controller import Controller
from linkerd.kube.controller.election import Election
from linkerd.runtime.process import CLEANUP_SECONDS, Process

_DRAIN: Final = 5.0  # seconds that an orderly end spends on what waits


class Leader:
    """One controller under one Lease; `start` it when the caches that it plans from have synced."""

    def __init__(self, controller: Controller[Any], election: Election) -> None:
        self._controller = controller
        self._election = election
        self._running: asyncio.Task[None] | None = None

    @property
    def leading(self) -> bool:
        """Whether we hold the Lease."""
        return self._election.leading

    def start(self, process: Process, name: str) -> None:
        """Competes for as long as the process lives, and steps down when it is told to end."""
        process.start(name, self.run())
        process.defer(self.stop, seconds=_DRAIN + CLEANUP_SECONDS)

    async def run(self) -> None:
        """Competes for the Lease, and works while it has it, until `stop`."""
        self._controller.may_write = lambda: self._election.surely_leading
        self._running = asyncio.create_task(
            self._election.run(self._controller.lead), name=f"election {self._election.name}"
        )
        try:
            await asyncio.wait((self._running,))
        finally:
            self._running.cancel()
            await asyncio.wait((self._running,))
        if not self._running.cancelled():
            self._running.result()

    async def stop(self) -> None:
        """An orderly end: finishes what waits, then gives the Lease back, and `run` returns."""
        running = self._running
        if running is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN):
                await self._controller.drained()
        running.cancel()
        await asyncio.wait((running,))
