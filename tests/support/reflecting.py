"""Running a reflector in a test and waiting for what it does."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NoReturn, TypeVar

from linkerd.kube.client import KubeClient
from linkerd.kube.events import Applied, Event
from linkerd.kube.objects import Key, KubeObject
from linkerd.kube.reflector import Reflector, ReflectorOptions
from linkerd.kube.resource import Resource

T = TypeVar("T", bound=KubeObject)


class ImpatientClock:
    """Time passes as usual, but whoever sleeps skips ahead; `slept` has the delays asked for."""

    def __init__(self) -> None:
        self._skipped = 0.0
        self._asleep = asyncio.Event()
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The wall clock, plus all that was slept."""
        return datetime.now(UTC) + timedelta(seconds=self._skipped)

    def monotonic(self) -> float:
        """The monotonic clock, plus all that was slept."""
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Returns after other tasks had a turn."""
        self.slept.append(seconds)
        self.skip(max(0.0, seconds))
        self._asleep.set()
        await asyncio.sleep(0.001)

    def skip(self, seconds: float) -> None:
        """Lets this much time pass."""
        self._skipped += seconds

    async def until_slept(self, times: int) -> None:
        """Returns once `sleep` was called that often."""
        async with asyncio.timeout(20):
            while len(self.slept) < times:
                self._asleep.clear()
                await self._asleep.wait()


class Follower(Generic[T]):
    """A listener that keeps all batches, and what they amount to when replayed."""

    def __init__(self) -> None:
        self.batches: list[list[Event[T]]] = []
        self.replayed: dict[Key, T] = {}
        self.reflector: Reflector[T]
        self.task: asyncio.Task[NoReturn]
        self._woken = asyncio.Event()

    def take(self, events: Sequence[Event[T]]) -> None:
        """The reflector's listener; fails on events that do not follow from those before."""
        self.batches.append(list(events))
        for event in events:
            key = event.object.metadata.key
            if isinstance(event, Applied):
                before = self.replayed.get(key)
                if before is not None and _version(before) >= _version(event.object):
                    raise AssertionError(f"{key} was applied twice or went back in time")
                self.replayed[key] = event.object
            elif self.replayed.pop(key, None) is None:
                raise AssertionError(f"{key} was deleted but not known")
        self._woken.set()

    @property
    def events(self) -> list[Event[T]]:
        """All events, one after the other."""
        return [event for batch in self.batches for event in batch]

    @property
    def names(self) -> list[str]:
        """The names of what is there now, sorted."""
        return sorted(key.name for key in self.replayed)

    async def until(
        self, condition: Callable[["Follower[T]"], bool], timeout: float = 30.0
    ) -> None:
        """Returns once the condition holds; looks at each batch and every few milliseconds.
        Raises what ended the reflector, if anything did."""
        async with asyncio.timeout(timeout):
            while not condition(self):
                if self.task.done():
                    self.task.result()
                self._woken.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.02):
                        await self._woken.wait()


def _version(item: KubeObject) -> int:
    return int(item.metadata.resource_version)


@asynccontextmanager
async def reflecting(
    client: KubeClient, resource: Resource[T], **options: Any
) -> AsyncGenerator[Follower[T]]:
    """A follower of a reflector that runs inside the block; `options` are ReflectorOptions'. What
    ended the reflector before its time is raised at the end of the block."""
    follower: Follower[T] = Follower()
    follower.reflector = Reflector(client, resource, follower.take, ReflectorOptions(**options))
    name = f"reflector {resource.plural}"
    follower.task = asyncio.create_task(follower.reflector.run(), name=name)
    try:
        yield follower
    finally:
        follower.task.cancel()
        with suppress(asyncio.CancelledError):
            await follower.task
