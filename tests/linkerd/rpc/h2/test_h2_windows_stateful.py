"""Any order of publishing, opening, making room, changing windows and cancelling: never a byte too
many (the client's own state machine refuses it), and with room enough everybody is in step."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import hypothesis.strategies as st
import uvloop
from h2.settings import SettingCodes
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule
from prometheus_client import CollectorRegistry

from linkerd.rpc.h2.server import H2Server
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2
from tests.support.eventually import eventually
from tests.support.http2 import RawClient
from tests.support.rpc import GET, NumbersTopic, World, apply

PATHS = st.sampled_from(["small", "large"])
NUMBERS = st.frozensets(st.integers(0, 4))
SIZES = st.sampled_from([1, 4, 5, 6, 100, 16384, 70_000])


class WindowMachine(RuleBasedStateMachine):
    """One server, one connection, two topics."""

    loop: ClassVar[Callable[[], asyncio.AbstractEventLoop]]
    streams: Bundle[int] = Bundle("streams")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=type(self).loop)
        self.world = World()
        self.world.topics["large"] = NumbersTopic(padding=30_000)
        self.paths: dict[int, str] = {}
        self.runner.run(self._start())

    async def _start(self) -> None:
        self.server = H2Server(
            HostPort("127.0.0.1", 0),
            self.world.tables(),
            readiness=Readiness(),
            registry=CollectorRegistry(),
        )
        self.client = RawClient(await self.server.start(), window=1000)
        await self.client.__aenter__()

    def _do(self, act: Callable[[], None]) -> None:
        async def run() -> None:
            act()
            self.client.send()
            await self.client.pong()

        self.runner.run(run())

    @rule(path=PATHS, numbers=NUMBERS)
    def publish(self, path: str, numbers: frozenset[int]) -> None:
        self._do(lambda: self.world.topics[path].publish(numbers))

    @rule(target=streams, path=PATHS)
    def open_stream(self, path: str) -> int:
        request = destination_pb2.GetDestination(path=path).SerializeToString()
        opened: list[int] = []
        self._do(lambda: opened.append(self.client.open(GET, request)))
        self.paths[opened[0]] = path
        return opened[0]

    @rule(stream=streams, size=SIZES)
    def make_room(self, stream: int, size: int) -> None:
        self._do(lambda: self.client.give(size, stream))

    @rule(size=SIZES)
    def make_room_for_all(self, size: int) -> None:
        self._do(lambda: self.client.give(size))

    @rule(size=st.sampled_from([0, 5, 1000, 65535]))
    def change_the_first_window(self, size: int) -> None:
        changed: dict[SettingCodes | int, int] = {SettingCodes.INITIAL_WINDOW_SIZE: size}
        self._do(lambda: self.client.wire.update_settings(changed))

    @rule(stream=consumes(streams))
    def cancel(self, stream: int) -> None:
        del self.paths[stream]
        self._do(lambda: self.client.wire.reset_stream(stream))

    def teardown(self) -> None:
        try:
            self.runner.run(self._end())
        finally:
            self.runner.close()

    async def _end(self) -> None:
        self.client.give(100_000_000)
        for stream, path in self.paths.items():
            self.client.give(10_000_000, stream)
            if self.world.topics[path].state is not None:
                await self.client.until(lambda: self._in_step(stream), "the state")  # noqa: B023
        counts = {name: topic.subscribers for name, topic in self.world.topics.items()}
        assert sum(counts.values()) == len(self.paths)
        stopping = asyncio.create_task(self.server.stop(5))
        for stream in self.paths:
            assert (await self.client.result(stream)).status == "0"
        await self.client.end()
        await self.client.__aexit__(None, None, None)
        await stopping
        await eventually(lambda: not self.server.calls, "the last call")
        assert all(topic.subscribers == 0 for topic in self.world.topics.values())

    def _in_step(self, stream: int) -> bool:
        numbers = set[int]()
        messages = self.client.heard[stream].messages()
        for message in messages:
            apply(numbers, destination_pb2.Update.FromString(message))
        return bool(messages) and frozenset(numbers) == self.world.topics[self.paths[stream]].state


def suite(loop: Callable[[], asyncio.AbstractEventLoop]) -> Any:
    """The test case on one event loop."""
    machine: Any = type("Machine", (WindowMachine,), {"loop": staticmethod(loop)})
    case = machine.TestCase
    case.settings = settings(
        max_examples=30,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    return case


TestOnAsyncio = suite(asyncio.new_event_loop)
TestOnUvloop = suite(uvloop.new_event_loop)
