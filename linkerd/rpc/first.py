"""A unary method that answers with what a watching one says first.

    service(descriptor, GetPort=first(self.watch_port), WatchPort=self.watch_port)

One function then judges the request and finds the topic for both, and the answer is the bytes that
watchers share. It must say its first state in one message. What the function raises, the call ends
with. Where nothing is known yet the call waits, as long as its deadline allows and `PATIENCE`
seconds at most, and ends with UNAVAILABLE, which clients try again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import grpc

from linkerd.rpc.errors import RpcError
from linkerd.rpc.methods import Call, WatchMethod
from linkerd.rpc.open_calls import Bell
from linkerd.streams import StreamEnd, Subscription

PATIENCE: Final = 3.0
"""Seconds; less than what a server that stops gives unary calls to end."""

Req = TypeVar("Req")


def first(
    watch: WatchMethod[Req], *, patience: float = PATIENCE
) -> Callable[[Req, Call], Awaitable[bytes]]:
    """The unary method that goes with `watch`."""

    async def answer(request: Req, call: Call) -> bytes:
        remaining = call.time_remaining()
        subscription = await watch(request, call)
        try:
            message = _poll(subscription)
            if message is None:
                limit = patience if remaining is None else min(patience, remaining)
                message = await _wait(subscription, limit)
            return message
        finally:
            subscription.close()

    return answer


def _poll(subscription: Subscription) -> bytes | None:
    try:
        return subscription.poll()
    except StreamEnd as end:
        if end.code is not grpc.StatusCode.OK:
            raise
        raise RpcError(grpc.StatusCode.UNAVAILABLE, "it ended before anything was known") from None


async def _wait(subscription: Subscription, seconds: float) -> bytes:
    bell = Bell()
    subscription.on_wake(bell.ring)
    try:
        async with asyncio.timeout(seconds):
            while True:
                await bell.wait()
                message = _poll(subscription)
                if message is not None:
                    return message
    except TimeoutError:
        raise RpcError(grpc.StatusCode.UNAVAILABLE, "nothing is known yet: try again") from None
