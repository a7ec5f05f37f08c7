"""Streams that are opened again whenever they end, as proxies do: of the Destination API, and by
`follow` of any other.

A follower keeps what a proxy keeps: while it is cut off the last known state stays in use, and the
first message of the next stream takes its place. Each stream is read by the proxy's rules, so a
Remove that comes first, or anything said twice, fails the test.

    async with followers("127.0.0.1:8086", connections=20) as crowd:
        follower = crowd.get("ledger.fin.svc.cluster.local:8080")
        await eventually(lambda: follower.ips == {"10.4.0.7"})
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Protocol

import grpc
import grpc.aio

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc
from tests.support.proxy_rules import Endpoints, ProfileReader

FIRST_PAUSE: Final = 0.1  # seconds, as proxies pause on loopback
LAST_PAUSE: Final = 2.0  # seconds; proxies go to 10, which tests do not wait for
_JITTER: Final = 0.1
_CHANNEL: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # or channels to one address share a connection
    ("grpc.http2.bdp_probe", 0),  # or windows grow, and slow readers take more than theirs
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.initial_reconnect_backoff_ms", int(FIRST_PAUSE * 1000)),
    ("grpc.min_reconnect_backoff_ms", int(FIRST_PAUSE * 1000)),
    ("grpc.max_reconnect_backoff_ms", int(LAST_PAUSE * 1000)),
)

Ask = Callable[[grpc.aio.Channel], Any]
"""Opens a stream."""


class Reader(Protocol):
    """Reads a stream by the rules of a proxy."""

    def take(self, raw: bytes, /) -> Any:
        """Takes a message. Raises RuleError."""


@dataclass
class Attempt:
    """One stream, from its opening on. `code` is None while it is open."""

    reader: Reader
    messages: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)  # monotonic seconds of each message
    code: grpc.StatusCode | None = None


class Follower:
    """A stream of `path`, and those that came after it."""

    def __init__(self, path: str, ask: Callable[[], Any], reader: Callable[[], Reader]) -> None:
        self.path = path
        self.attempts: list[Attempt] = []
        self.reading = asyncio.Event()
        self.reading.set()
        """While it is clear, messages are left where they are: a slow reader."""
        self._ask = ask
        self._reader = reader

    async def run(self) -> NoReturn:
        """Follows until it is cancelled. Raises RuleError for what a proxy would not take."""
        pause = FIRST_PAUSE
        while True:
            attempt = Attempt(self._reader())
            self.attempts.append(attempt)
            attempt.code = await self._follow(attempt)
            if attempt.messages:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(1, 1 + _JITTER))  # jitter
            pause = min(2 * pause, LAST_PAUSE)

    async def _follow(self, attempt: Attempt) -> grpc.StatusCode:
        call = self._ask()
        try:
            await self.reading.wait()
            while (message := await call.read()) is not grpc.aio.EOF:
                attempt.reader.take(message.SerializeToString(deterministic=True))
                attempt.times.append(time.monotonic())
                attempt.messages.append(message)
                await self.reading.wait()
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    @property
    def told(self) -> Attempt | None:
        """The last stream that said something: what a proxy goes by."""
        return next((each for each in reversed(self.attempts) if each.messages), None)

    @property
    def following(self) -> bool:
        """Whether the stream of now is open and has said something."""
        return bool(self.attempts) and self.told is self.attempts[-1] and not self.attempts[-1].code

    @property
    def ips(self) -> set[str] | None:
        """The addresses of a `Get`; None before there was a message."""
        if self.told is None or not isinstance(self.told.reader, Endpoints):
            return None
        return {ip for ip, _ in self.told.reader.known}

    @property
    def profile(self) -> pb.DestinationProfile | None:
        """The last answer of a `GetProfile`."""
        last = self.told.messages[-1] if self.told else None
        return last if isinstance(last, pb.DestinationProfile) else None

    @property
    def heard_at(self) -> float:
        """When the last message came, in monotonic seconds."""
        return self.told.times[-1] if self.told else 0.0


class Crowd:
    """Followers, spread over connections in turn."""

    def __init__(self, channels: list[grpc.aio.Channel], tasks: asyncio.TaskGroup) -> None:
        self.followers: list[Follower] = []
        self._channels = channels
        self._group = tasks
        self._running: list[asyncio.Task[None]] = []

    def get(self, path: str, *, reading: bool = True) -> Follower:
        """Follows endpoints; with `reading` false it does not read before it is told to."""
        request = pb.GetDestination(path=path)

        def ask(channel: grpc.aio.Channel) -> Any:
            return destination_pb2_grpc.DestinationStub(channel).Get(request)

        return self.follow(path, ask, Endpoints, reading=reading)

    def profile(self, path: str) -> Follower:
        """Follows a profile."""
        request = pb.GetDestination(path=path)

        def ask(channel: grpc.aio.Channel) -> Any:
            return destination_pb2_grpc.DestinationStub(channel).GetProfile(request)

        return self.follow(path, ask, ProfileReader)

    def follow(
        self, path: str, ask: Ask, reader: Callable[[], Reader], *, reading: bool = True
    ) -> Follower:
        """Follows anything, by streams that `ask` opens; `path` is what it is called."""
        channel = self._channels[len(self.followers) % len(self._channels)]
        follower = Follower(path, lambda: ask(channel), reader)
        if not reading:
            follower.reading.clear()
        self.followers.append(follower)
        self._running.append(self._group.create_task(follower.run(), name=path))
        return follower

    @property
    def following(self) -> int:
        """How many have an open stream that has said something."""
        return sum(follower.following for follower in self.followers)

    def end(self) -> None:
        """Ends all of them."""
        for task in self._running:
            task.cancel()


@asynccontextmanager
async def followers(*addresses: str, connections: int = 1) -> AsyncIterator[Crowd]:
    """Clients of every address in the list, as far as it answers; a broken rule ends the block."""
    async with AsyncExitStack() as stack:
        target = f"ipv4:{','.join(addresses)}"
        channels = [
            await stack.enter_async_context(grpc.aio.insecure_channel(target, options=_CHANNEL))
            for _ in range(connections)
        ]
        async with asyncio.TaskGroup() as tasks:
            crowd = Crowd(channels, tasks)
            try:
                yield crowd
            finally:
                crowd.end()
