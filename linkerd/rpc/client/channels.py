"""Channels: where calls go. Connections are made when they are needed, shared by the calls to one
peer, bounded in number, and closed when they have been idle for a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Self

import grpc
from google.protobuf.message import DecodeError, Message

from linkerd.rpc.client.calls import Call
from linkerd.rpc.client.connection import Connection
from linkerd.rpc.client.dialling import Peer, dial
from linkerd.rpc.client.errors import (
    CallError,
    DeadlineError,
    StatusError,
    TooManyConnectionsError,
    UnreachableError,
)
from linkerd.rpc.client.headers import Metadata, request_headers
from linkerd.rpc.client.options import ClientOptions
from linkerd.rpc.client.tls import MeshTls
from linkerd.rpc.errors import TableError
from linkerd.rpc.methods import Signature
from linkerd.runtime.values import HostPort

_NOTHING: Final[Metadata] = {}
_CLOSE_SECONDS: Final = 1.0  # for peers to hear that connections end


class Channels:
    """The channels of a process. Used as an asynchronous context manager, at whose end all
    connections are closed, and with them all calls."""

    def __init__(self, options: ClientOptions | None = None, *, tls: MeshTls | None = None) -> None:
        self.options = options or ClientOptions()
        self._tls = tls
        self._dials: dict[Peer, asyncio.Task[Connection | CallError]] = {}
        self._open: dict[Peer, Connection] = {}
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, asyncio.TimerHandle] = {}
        self._turns = asyncio.Semaphore(self.options.max_dials)
        self._closed = False

    def channel(self, address: HostPort, *, identity: str = "") -> "Channel":
        """Where calls to `address` go: over the mesh's TLS to `identity`, in plain text without
        one. Costs nothing before the first call."""
        if identity and self._tls is None:
            raise ValueError(f"{identity}: there is no certificate to meet it with")
        return Channel(self, address, identity)

    @property
    def connections(self) -> int:
        """How many are open, or about to be."""
        return len(self._connections) + len(self._dials)

    async def connection(self, address: HostPort, identity: str) -> Connection:
        """One on which a call may begin now. Raises UnreachableError, PeerIdentityError,
        TooManyConnectionsError."""
        context = self._tls.context if identity and self._tls is not None else None
        peer = Peer(address, identity, context)
        connection = self._open.get(peer)
        if connection is None or not connection.usable:
            dialling = self._dials.get(peer) or self._begin(peer)
            await asyncio.wait((dialling,))  # not cancelled with this call: others may wait for it
            if dialling.cancelled():
                raise UnreachableError(f"{address}: this client is closed")
            found = dialling.result()
            if isinstance(found, CallError):
                raise found.anew()
            connection = found
        await connection.room()
        return connection

    async def close(self) -> None:
        """Ends all calls and connections."""
        self._closed = True
        for task in tuple(self._dials.values()):
            task.cancel()
        connections = tuple(self._connections)
        for connection in connections:
            connection.close()
        if lost := [connection.lost for connection in connections]:
            await asyncio.wait(lost, timeout=_CLOSE_SECONDS)
        for connection in connections:
            connection.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _begin(self, peer: Peer) -> "asyncio.Task[Connection | CallError]":
        if self._closed:
            raise UnreachableError(f"{peer.address}: this client is closed")
        if self.connections >= self.options.max_connections:
            self._make_room()
        task = asyncio.create_task(self._dial(peer), name=f"connect with {peer.address}")
        self._dials[peer] = task
        task.add_done_callback(lambda done: self._dialled(peer, done))
        return task

    async def _dial(self, peer: Peer) -> Connection | CallError:
        async with self._turns:
            return await dial(peer, self.options, self._changed)

    def _dialled(self, peer: Peer, task: "asyncio.Task[Connection | CallError]") -> None:
        del self._dials[peer]
        if task.cancelled():
            return
        connection = task.result()
        if isinstance(connection, CallError):
            return
        if self._closed:
            connection.close()
            return
        self._open[peer] = connection
        self._connections.add(connection)
        connection.lost.add_done_callback(lambda _: self._lost(peer, connection))
        self._changed(connection)

    def _lost(self, peer: Peer, connection: Connection) -> None:
        self._forget_idle(connection)
        self._connections.discard(connection)
        if self._open.get(peer) is connection:
            del self._open[peer]

    def _changed(self, connection: Connection) -> None:
        """A call has begun or ended, or no more may begin."""
        if connection not in self._connections:
            return
        self._forget_idle(connection)
        if connection.calls:
            return
        if not connection.usable:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        seconds = self.options.idle.total_seconds()
        self._idle[connection] = loop.call_later(seconds, connection.close)

    def _forget_idle(self, connection: Connection) -> None:
        timer = self._idle.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _make_room(self) -> None:
        """Closes what has been idle for longest. Raises TooManyConnectionsError."""
        connection = next(iter(self._idle), None)
        if connection is None:
            raise TooManyConnectionsError(self.options.max_connections)
        self._forget_idle(connection)
        self._connections.discard(connection)
        connection.close()


class Channel:
    """Calls to one peer. `metadata` are names and values; those of names that end with `-bin` are
    bytes. Calls are not tried again: who calls knows what may be done twice.

    All raise `CallError`s.
    """

    def __init__(self, channels: Channels, address: HostPort, identity: str) -> None:
        self._channels = channels
        self._address = address
        self._identity = identity

    async def connect(self) -> None:
        """Connects, if there is no connection: to know that somebody is there."""
        await self._channels.connection(self._address, self._identity)

    async def unary(
        self,
        method: Signature,
        request: Message,
        *,
        timeout: float,
        metadata: Metadata = _NOTHING,
    ) -> Any:
        """The answer of a unary method within `timeout` seconds."""
        if method.watching:
            raise TableError(f"{method.path} streams: watch it")
        async with self._call(method, request, timeout, metadata) as call:
            answer = await call.read()
            if answer is None or await call.read() is not None:
                raise StatusError(grpc.StatusCode.INTERNAL, "the answer is not one message")
            return _decode(method, answer)

    @asynccontextmanager
    async def watch(
        self,
        method: Signature,
        request: Message,
        *,
        timeout: float | None = None,
        metadata: Metadata = _NOTHING,
    ) -> AsyncIterator[AsyncIterator[Any]]:
        """The messages of a streaming method, as they come; the call ends with the context. Without
        `timeout` it may last for ever. The iterator raises the call's error in its place."""
        if not method.watching:
            raise TableError(f"{method.path} is unary: it has one answer")
        async with self._call(method, request, timeout, metadata) as call:
            yield _messages(method, call)

    @asynccontextmanager
    async def _call(
        self, method: Signature, request: Message, timeout: float | None, metadata: Metadata
    ) -> AsyncIterator[Call]:
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._channels.connection(self._address, self._identity)
        except TimeoutError:
            raise DeadlineError(f"{self._address} was not reached within the time given") from None
        remaining = None if deadline is None else max(0.0, deadline - loop.time())
        scheme, authority = (b"https", self._identity) if self._identity else (b"http", "")
        headers = request_headers(
            method, scheme, authority or str(self._address), remaining, metadata
        )
        call = connection.begin(headers, request.SerializeToString())
        timer = None if deadline is None else loop.call_at(deadline, call.expire)
        try:
            yield call
        finally:
            if timer is not None:
                timer.cancel()
            call.cancel()


async def _messages(method: Signature, call: Call) -> AsyncIterator[Any]:
    while (message := await call.read()) is not None:
        yield _decode(method, message)


def _decode(method: Signature, message: bytes) -> Message:
    try:
        return method.response.FromString(message)
    except DecodeError:
        name = method.response.DESCRIPTOR.full_name
        raise StatusError(grpc.StatusCode.INTERNAL, f"the answer is no {name}") from None
