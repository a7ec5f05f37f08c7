"""Commands that print what a service streams: what comes at once, or all of it until ctrl-C."""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, Final

FIRST_SECONDS: Final = 5.0
"""To wait for the first message."""
_MORE_SECONDS: Final = 0.3  # of silence, after which the answer counts as complete
_LET_GO_SECONDS: Final = 1.0  # that an interrupted command has to end in good order


def run(work: Coroutine[Any, Any, None]) -> None:
    """Runs a command to its end. Ctrl-C is how a watch is ended: in good order, and without a
    word."""
    asyncio.run(_until_interrupted(work))


async def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    task = asyncio.create_task(work, name="diagnostics")
    waiter = asyncio.create_task(interrupted.wait(), name="interrupt")
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_LET_GO_SECONDS)
    elif not task.cancelled():
        task.result()


async def until_quiet(messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The messages that come at once; a stream's first one is complete, a joined one may add."""
    patience = FIRST_SECONDS
    with suppress(StopAsyncIteration, TimeoutError):
        while True:
            async with asyncio.timeout(patience):
                message = await anext(messages)
            yield message
            patience = _MORE_SECONDS
