"""What work leaves to the garbage collector, which in a service comes by rarely."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Final

TIMES: Final = 50


async def left_in_cycles(act: Callable[[], Awaitable[object]]) -> int:
    """How many objects the collector finds after TIMES of it, beyond a few that come once."""
    for _ in range(3):
        await act()
    gc.collect()
    for _ in range(TIMES):
        await act()
    await asyncio.sleep(0.01)  # connections end in later turns
    return max(0, gc.collect() - TIMES // 2)
