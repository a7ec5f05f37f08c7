"""The life of a process: one event loop, one task group, an orderly end.

`run(main, name=...)` calls `main(process)`, which sets things up and returns; the process then
lives until SIGTERM, SIGINT, `stop`, or the end of a core task. Then readiness closes, the deferred
clean-ups run in reverse order (while core tasks still run, so that what is served stays fresh), and
the tasks are cancelled. A core task never ends before that: when one does, cleanly or not, the
process logs why and ends with exit code 1. A second signal ends the process at once.
"""

import asyncio
import faulthandler
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from linkerd.runtime.admin import Page
from linkerd.runtime.clock import Clock, SystemClock
from linkerd.runtime.errors import CleanupError, ProcessError
from linkerd.runtime.gc import freeze_heap, tune_gc
from linkerd.runtime.logs import flush_logs, get_logger, stray_errors_logged
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
CLEANUP_SECONDS: Final = 5.0
"""How long a clean-up may take unless it says otherwise. Kubernetes kills a pod that takes longer
than 30 seconds altogether."""

_log = get_logger(__name__)


class Process:
    """What `main` gets: readiness, metrics, time, core tasks, clean-ups and the end. `pages` are
    further ones of its admin server, by path."""

    def __init__(self, name: str, tasks: asyncio.TaskGroup, clock: Clock) -> None:
        self.name = name
        self.clock = clock
        self.readiness = Readiness()
        self.registry = registry()
        self.pages: dict[str, Page] = {}
        self.exit_code = 0
        self.signalled = False
        self._tasks = tasks
        self._running: set[asyncio.Task[None]] = set()
        self._cleanups: list[tuple[Callable[[], Awaitable[object]], float]] = []
        self._stopping = asyncio.Event()
        self._begun = clock.monotonic()
        self._started = self.readiness.gate("start")
        self.readiness.on_change(self._readiness_changed)

    def start(self, name: str, coroutine: Coroutine[Any, Any, object]) -> asyncio.Task[None]:
        """Runs a core task: its end, before the process stops, ends the process."""
        task = self._tasks.create_task(self._core(name, coroutine), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: coroutine.close())  # if cancelled before its first step
        return task

    def defer(
        self, cleanup: Callable[[], Awaitable[object]], *, seconds: float = CLEANUP_SECONDS
    ) -> None:
        """Runs `cleanup` when the process stops, after those deferred later. After `seconds` it is
        cancelled, and what comes after it begins."""
        self._cleanups.append((cleanup, seconds))

    async def stopping(self) -> None:
        """Returns when the process begins to stop."""
        await self._stopping.wait()

    def stop(self, exit_code: int = 0) -> None:
        """Begins the end; the first exit code that is not 0 counts."""
        self.exit_code = self.exit_code or exit_code
        self._stopping.set()

    async def live(self, main: Callable[["Process"], Awaitable[object]]) -> None:
        """Sets up, waits for the end and cleans up; `run` calls it."""
        await self._set_up(main)
        if not self._stopping.is_set():
            self._started.open()
            await self.stopping()
        self._started.close()
        while self._cleanups:
            await self._clean_up(*self._cleanups.pop())
        for task in self._running:
            task.cancel()

    def _readiness_changed(self, ready: bool) -> None:  # Readiness's signature
        if ready:
            freeze_heap()
            _log.info("ready", seconds=round(self.clock.monotonic() - self._begun, 3))
        else:
            _log.info("not ready", waiting=self.readiness.waiting)

    async def _set_up(self, main: Callable[["Process"], Awaitable[object]]) -> None:
        """Runs main; the end of the process in the meantime cancels it."""
        work = asyncio.ensure_future(_await(main(self)))
        end = asyncio.ensure_future(self.stopping())
        await asyncio.wait((work, end), return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        work.cancel()
        await asyncio.wait((work, end))
        if not work.cancelled() and (error := work.exception()) is not None:
            self._fail("start", error)

    async def _clean_up(self, cleanup: Callable[[], Awaitable[object]], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds) as limit:
                await cleanup()
        except Exception as error:  # noqa: BLE001  # the other clean-ups must still run
            name = getattr(cleanup, "__qualname__", repr(cleanup))
            late = CleanupError(f"{name} did not end within {seconds:g} s")
            self._fail("stop", late if limit.expired() else error)

    async def _core(self, name: str, coroutine: Coroutine[Any, Any, object]) -> None:
        try:
            await coroutine
        except Exception as error:  # noqa: BLE001  # logged; the process ends with it
            self._fail(name, error)
            return
        if not self._stopping.is_set():
            _log.error("a core task ended, so the process ends", task=name, error="it returned")
            self.stop(1)

    def _fail(self, name: str, error: BaseException) -> None:
        expected = isinstance(error, ProcessError)
        _log.error(
            "a core task failed, so the process ends",
            task=name,
            error=str(error) or type(error).__name__,
            exc_info=None if expected else error,
        )
        self.stop(1)


async def _await(awaitable: Awaitable[object]) -> None:
    await awaitable


def run(
    main: Callable[[Process], Awaitable[object]], *, name: str, clock: Clock | None = None
) -> int:
    """Runs the process to its end; the exit code. Uses uvloop where it is installed."""
    faulthandler.enable()
    tune_gc()
    with stray_errors_logged(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run(main, name, clock or SystemClock()))


async def _run(main: Callable[[Process], Awaitable[object]], name: str, clock: Clock) -> int:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        process = Process(name, tasks, clock)
        for number in _SIGNALS:
            loop.add_signal_handler(number, _on_signal, process, number)
        await process.live(main)
    for number in _SIGNALS:
        loop.remove_signal_handler(number)
    _log.info("stopped", code=process.exit_code)
    return process.exit_code


def _on_signal(process: Process, number: signal.Signals) -> None:
    if process.signalled:
        _log.warning("second signal: ending at once", signal=number.name)
        flush_logs()
        os._exit(128 + number)
    process.signalled = True
    _log.info("stopping", signal=number.name)
    process.stop()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # optional: absent on some systems
    except ImportError:
        return None
    return uvloop.new_event_loop
