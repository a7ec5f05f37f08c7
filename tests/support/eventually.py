"""Waiting for something that another part of the program does in its own time."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_INTERVAL: Final = 0.005


async def eventually(
    condition: Callable[[], object], what: str = "the condition", seconds: float = 30
) -> None:
    """Returns once `condition()` is true. Raises AssertionError, which says `what`, when it is
    not within `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        await asyncio.sleep(_INTERVAL)


def until(
    condition: Callable[[], object], what: str = "the condition", seconds: float = 30
) -> None:
    """Waits until it holds, where no event loop runs."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(_INTERVAL)
