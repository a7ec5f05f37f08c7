"""Any order of publishing, opening, reading, cancelling and ending, over real connections.

Each client ends up with the state of its topic, each stream with the status it was given, and each
topic without readers, whatever happened on the way.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import grpc
import grpc.aio
import hypothesis.strategies as st
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
)
from prometheus_client import CollectorRegistry

from linkerd.rpc.engines import ENGINES, EngineFactory
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.streams import StreamEnd
from linkerd.stubs.proxy import destination_pb2, destination_pb2_grpc
from tests.support.eventually import eventually
from tests.support.rpc import NumbersTopic, World, apply

PATHS = st.sampled_from(["a", "b"])
NUMBERS = st.frozensets(st.integers(0, 4))
CODES = st.sampled_from([grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND])
DEADLINE = 10.0


@dataclass(eq=False)
class Client:
    """One stream's far end. `topic` is the one that its path named when it was opened."""

    stream: Any
    topic: NumbersTopic
    numbers: set[int] = field(default_factory=set)
    heard: bool = False
    over: bool = False  # its topic has ended

    async def read(self) -> bool:
        """Applies one message; False at the end of the stream."""
        update = await asyncio.wait_for(self.stream.read(), DEADLINE)
        if update is grpc.aio.EOF:
            return False
        apply(self.numbers, update)
        self.heard = True
        return True

    async def status(self) -> grpc.StatusCode:
        """Reads to the end; how it ended."""
        try:
            while await self.read():
                pass
        except grpc.aio.AioRpcError as error:
            return error.code()
        code: grpc.StatusCode = await asyncio.wait_for(self.stream.code(), DEADLINE)
        return code

    @property
    def behind(self) -> bool:
        """Whether there must be something to read."""
        state = self.topic.state
        if state is None or self.over:
            return False
        return not self.heard or self.numbers != state


class EngineMachine(RuleBasedStateMachine):
    """The reference is the topics themselves."""

    factory: ClassVar[EngineFactory]
    loop: ClassVar[Callable[[], asyncio.AbstractEventLoop]]
    clients: Bundle[Client] = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=type(self).loop)
        self.world = World()
        self.retired: list[NumbersTopic] = []
        self.open: list[Client] = []
        self.runner.run(self._start())

    async def _start(self) -> None:
        self.server = type(self).factory(
            HostPort("127.0.0.1", 0),
            self.world.tables(),
            readiness=Readiness(),
            registry=CollectorRegistry(),
        )
        port = await self.server.start()
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub: Any = destination_pb2_grpc.DestinationStub(self.channel)

    @rule(path=PATHS, numbers=NUMBERS)
    def publish(self, path: str, numbers: frozenset[int]) -> None:
        async def publish() -> None:
            self.world.topics[path].publish(numbers)

        self.runner.run(publish())

    @rule(target=clients, path=PATHS)
    def open_stream(self, path: str) -> Client:
        async def open_stream() -> Client:
            topic = self.world.topics[path]
            before = topic.subscribers
            stream = self.stub.Get(destination_pb2.GetDestination(path=path))
            await eventually(lambda: topic.subscribers == before + 1, "the subscription", DEADLINE)
            return Client(stream, topic)

        client = self.runner.run(open_stream())
        self.open.append(client)
        return client

    @rule(client=clients)
    def read_what_there_is(self, client: Client) -> None:
        async def read() -> None:
            while client.behind:
                assert await client.read()

        self.runner.run(read())

    @rule(client=clients)
    def read_once(self, client: Client) -> None:
        if client.behind:
            assert self.runner.run(client.read())

    @rule(client=consumes(clients))
    def cancel(self, client: Client) -> None:
        async def cancel() -> None:
            before = client.topic.subscribers
            client.stream.cancel()
            await eventually(lambda: client.topic.subscribers == before - 1, "the end", DEADLINE)

        if not client.over:
            self.open.remove(client)
            self.runner.run(cancel())

    @rule(path=PATHS, code=CODES)
    def end(self, path: str, code: grpc.StatusCode) -> None:
        """Ends a topic; streams opened later get a new one of that name."""

        async def end(topic: NumbersTopic) -> None:
            topic.end(StreamEnd(code, "it is over" if code is not grpc.StatusCode.OK else ""))
            for client in self.open:
                if client.topic is topic:
                    client.over = True
                    assert await client.status() is code
            await eventually(lambda: topic.subscribers == 0, "the last close", DEADLINE)

        topic = self.world.topics.pop(path, None)
        if topic is not None:
            self.runner.run(end(topic))
            self.retired.append(topic)
            self.open = [client for client in self.open if client.topic is not topic]

    @invariant()
    def every_open_stream_is_one_reader(self) -> None:
        for topic in self.world.topics.values():
            assert topic.subscribers == sum(client.topic is topic for client in self.open)

    def teardown(self) -> None:
        self.runner.run(self._stop())
        self.runner.close()

    async def _stop(self) -> None:
        for client in self.open:
            while client.behind:
                assert await client.read()
        await self.server.stop(DEADLINE)
        for client in self.open:
            assert await client.status() is grpc.StatusCode.OK
        await self.channel.close()
        for topic in [*self.world.topics.values(), *self.retired]:
            assert topic.subscribers == 0


def suite(name: str, loop: Callable[[], asyncio.AbstractEventLoop]) -> Any:
    """The test case for one engine on one event loop."""
    parts = {"factory": ENGINES[name], "loop": staticmethod(loop)}
    machine: Any = type(f"{name}Machine", (EngineMachine,), parts)
    case = machine.TestCase
    case.settings = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    return case


TestGrpcio = suite("grpcio", asyncio.new_event_loop)
TestH2 = suite("h2", asyncio.new_event_loop)
TestH2OnUvloop = suite("h2", uvloop.new_event_loop)
