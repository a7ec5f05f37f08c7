"""Threads that a test with a FakeClock can do without."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def without_threads() -> None:
    """From now on the running loop does at once what `asyncio.to_thread` is given. What waits for
    a thread seems to rest, and a FakeClock would move time on under it."""
    asyncio.get_running_loop().set_default_executor(_Inline())


class _Inline(ThreadPoolExecutor):
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Runs it at once; the future is done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # as an executor does
            future.set_exception(error)
        return future
