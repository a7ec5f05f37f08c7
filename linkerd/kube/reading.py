"""Reading kinds of a cluster: a reflector for each, told to the listener that it is mapped to.

A listener takes a batch of events, which is never empty, at once, and does not raise. What it does
with them is its own matter; most are an index's.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from linkerd.kube.client import KubeClient
from linkerd.kube.events import Event
from linkerd.kube.reflector import Reflector, ReflectorOptions
from linkerd.kube.resource import Resource
from linkerd.runtime.process import Process

Listener: TypeAlias = Callable[[Sequence[Event[Any]]], None]
Kinds: TypeAlias = Mapping[Resource[Any], Listener]


def chained(first: Listener, second: Listener | None) -> Listener:
    """Both, one after the other."""
    if second is None:
        return first

    def both(events: Sequence[Event[Any]]) -> None:
        first(events)
        second(events)

    return both


async def read(
    process: Process, client: KubeClient, kinds: Kinds, options: ReflectorOptions
) -> None:
    """Starts to read, in core tasks of the process; returns when all kinds have been read once."""
    reflectors = _reflectors(client, kinds, options)
    for resource, reflector in zip(kinds, reflectors, strict=True):
        process.start(f"reflect {resource.kind}", reflector.run())
    await _synced(reflectors)


async def read_until_failure(
    client: KubeClient, kinds: Kinds, options: ReflectorOptions, on_read: Callable[[], None]
) -> BaseException | None:
    """Reads a cluster whose failures end nothing here: until something fails; what did. `on_read`
    is called when all kinds have been read once.

    Not a TaskGroup, whose end leaves a cycle, and in it all that was read, to the garbage
    collector, which seldom runs.
    """
    reflectors = _reflectors(client, kinds, options)

    async def tell() -> None:
        await _synced(reflectors)
        on_read()

    tasks = [asyncio.create_task(each) for each in (tell(), *(r.run() for r in reflectors))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        return next(filter(None, (task.exception() for task in tasks if task.done())), None)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reflectors(
    client: KubeClient, kinds: Kinds, options: ReflectorOptions
) -> Sequence[Reflector[Any]]:
    return [Reflector(client, kind, listener, options) for kind, listener in kinds.items()]


async def _synced(reflectors: Sequence[Reflector[Any]]) -> None:
    await asyncio.gather(*(reflector.wait_synced() for reflector in reflectors))
