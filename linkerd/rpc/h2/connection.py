"""One connection: bytes in, calls begun and ended; its timers and its end.

What the peer does wrong costs it the stream or, as HTTP/2 says, the connection, and nobody else
anything. The library has taken in all of a read before its events are looked at here, so a stream
may be closed already when its first event comes.
"""

import asyncio
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import grpc
from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2 import headers
from linkerd.rpc.h2.body import Body
from linkerd.rpc.h2.call import H2Call
from linkerd.rpc.h2.limits import (
    LINGER_SECONDS,
    MAX_HELD_BYTES,
    PREFACE_SECONDS,
    Budget,
)
from linkerd.rpc.h2.outbox import Outbox
from linkerd.rpc.h2.streams import Behind, Stream
from linkerd.rpc.h2.wire import LAST_STREAM_ID, Wire
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.logs import get_logger

_READ_BYTES: Final = 64 << 10  # a read's share of a turn, too
_RETIRING: Final = b"retiring"
_ALIVE: Final = b"alive?  "
_SMALL_UPDATE: Final = 1024  # bytes; WINDOW_UPDATEs of less cost more than they bring
_MAX_TIMER: Final = 30 * 86400.0  # seconds; deadlines beyond are not watched
_SETTINGS_COST: Final = 10
_NO_METHOD: Final = headers.status(
    grpc.StatusCode.UNIMPLEMENTED, "this server has no such method", answered=False
)
_log = get_logger(__name__)


@dataclass(slots=True)
class Shared:
    """What the connections of a server share. One buffer does for all reads, as what is read is
    taken in before the next read begins."""

    routes: dict[bytes, Behind]
    options: ServerOptions
    connections: "set[Connection]" = field(default_factory=set)
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_READ_BYTES)))
    stopping: bool = False


class Connection(asyncio.BufferedProtocol):
    """The protocol of one connection."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._streams: dict[int, Stream] = {}
        self._young: set[Stream] = set()  # whose request is not whole
        self._slow: set[Stream] = set()  # that were young at the last beat
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._held = 0
        self._heard = False
        self._refusing = False  # new streams, as the peer was told to go
        self._over = False  # nothing is read any more
        self.lost = self._loop.create_future()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer is there; says our settings."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop has its own
        # asyncio does so only for sockets whose protocol number is spelt out.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        options = self._shared.options
        self._peer = _address(transport.get_extra_info("peername"))
        self._wire = Wire(options.max_concurrent_streams)
        self._budget = Budget(self._clock())
        self._outbox = Outbox(self._wire, transport, self._budget, self._left)
        if self._shared.stopping:
            transport.abort()
            return
        self._shared.connections.add(self)
        self._wire.initiate_connection()
        self._outbox.touch()
        self._after("preface", PREFACE_SECONDS, self.abort)
        self._after("beat", options.keepalive_interval.total_seconds(), self._beat)
        if options.connection_age is not None:
            age = options.connection_age.total_seconds() * random.uniform(0.9, 1.1)  # noqa: S311
            self._after("age", age, self._retire)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to."""
        del sizehint
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Takes in what was read."""
        self._heard = True
        if self._over:
            return
        try:
            for event in self._wire.receive_data(self._shared.buffer[:nbytes]):
                handle = _HANDLERS.get(type(event))
                if handle is not None:
                    handle(self, event)
        except ProtocolError as error:
            _log.debug("a client breaks the protocol", peer=self._peer, error=str(error))
            self._finish()
        except Exception as error:  # noqa: BLE001  # of this connection alone
            _log.error("a connection failed", peer=self._peer, exc_info=error)
            self._break(ErrorCodes.INTERNAL_ERROR)
        self._outbox.touch()

    def eof_received(self) -> bool:
        """The peer has gone, or at least says nothing any more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """All calls are over."""
        self._over = True
        self._outbox.close()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.abandon()
        self._young.clear()
        self._slow.clear()
        self._shared.connections.discard(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        """The kernel's buffer and ours are full."""
        self._outbox.pause()

    def resume_writing(self) -> None:
        """There is room again."""
        self._outbox.resume()

    # What the server asks for.

    def turn_away(self) -> None:
        """Tells the peer to open no more streams here; the connection ends with its last one."""
        if not self._refusing and not self._over:
            self._refusing = True
            self._wire.goaway(self._wire.highest_inbound_stream_id)
            self._outbox.touch()
            self._end_if_empty()

    def cut(self, why: str) -> None:
        """Ends all calls with UNAVAILABLE, and so the connection."""
        self.turn_away()
        for stream in list(self._streams.values()):
            stream.cut(grpc.StatusCode.UNAVAILABLE, why)
        self._end_if_empty()

    def abort(self) -> None:
        """Drops the connection, and what is unsent."""
        self._transport.abort()

    # Its own life.

    def _after(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Sets the timer `name` anew."""
        self._quiet(name)
        self._timers[name] = self._loop.call_later(seconds, call)

    def _quiet(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _beat(self) -> None:
        """Looks after a connection that was silent, and after requests that do not get on."""
        options = self._shared.options
        for stream in self._slow:
            stream.cut(grpc.StatusCode.CANCELLED, "the request did not come to its end in time")
        self._slow, self._young = self._young, set()
        if self._heard:
            self._heard = False
            self._after("beat", options.keepalive_interval.total_seconds(), self._beat)
        elif not self._over:
            self._wire.ping(_ALIVE)
            self._outbox.touch()
            self._after("beat", options.keepalive_timeout.total_seconds(), self._judge)

    def _judge(self) -> None:
        if self._heard:
            self._beat()
        else:
            _log.debug("a client is silent", peer=self._peer)
            self.abort()

    def _retire(self) -> None:
        """It is old. First the warning, then, once the peer knows, the end of new streams."""
        if self._over:
            return
        self._wire.goaway(LAST_STREAM_ID)
        self._wire.ping(_RETIRING)
        self._outbox.touch()
        grace = self._shared.options.connection_age_grace.total_seconds()
        self._after("age", grace, lambda: self.cut("the connection is too old"))

    def _end_if_empty(self) -> None:
        if self._refusing and not self._streams and not self._over:
            self._finish()

    def _break(self, code: ErrorCodes) -> None:
        """The peer is told why, and the connection ends."""
        self._wire.close_connection(code)
        self._finish()

    def _finish(self) -> None:
        """Sends what there is, listens to nothing more, and waits a little for the peer to close,
        since to close with unread bytes would destroy our last words on their way."""
        if self._over:
            return
        self._over = True
        self._outbox.flush()
        self._outbox.close()
        for stream in list(self._streams.values()):
            self._streams.pop(stream.id)
            stream.abandon()
        self._after("linger", LINGER_SECONDS, self.abort)
        try:
            self._transport.write_eof()
        except OSError:  # it is gone already
            self.abort()

    def _charge(self, cost: int) -> None:
        """Lets the peer pay for a frame."""
        if not self._budget.spend(cost, self._clock()) and not self._over:
            _log.warning("a client floods its connection, which ends", peer=self._peer)
            self._break(ErrorCodes.ENHANCE_YOUR_CALM)

    def _left(self, stream: Stream) -> None:
        """A stream is over."""
        self._streams.pop(stream.id, None)
        self._complete(stream)
        if self._refusing and not self._streams:
            self._loop.call_soon(self._end_if_empty)  # not within a flush

    def _complete(self, stream: Stream) -> None:
        """Nothing of the request is waited for any more."""
        self._young.discard(stream)
        self._slow.discard(stream)
        if stream.body is not None:
            self._held -= len(stream.body)
            stream.body = None

    # What the peer says.

    def _on_request(self, event: events.RequestReceived) -> None:
        wire = self._wire.streams[event.stream_id]
        if wire.closed:  # reset in the same breath
            self._wire.forget(wire)
            self._charge(1)
            return
        if self._refusing or len(self._streams) >= self._shared.options.max_concurrent_streams:
            self._wire.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            self._wire.forget(wire)
            self._charge(1)
            return
        try:
            request = headers.request_of(event.headers)
        except headers.NotGrpcError as error:
            self._refuse(event.stream_id, error.headers)
        except RpcError as error:
            answer = headers.status(error.code, error.message, answered=False)
            self._refuse(event.stream_id, answer)
        else:
            behind = self._shared.routes.get(request.path)
            if behind is None:
                self._refuse(event.stream_id, _NO_METHOD)
            else:
                self._open(wire, behind, request)

    def _refuse(self, stream_id: int, answer: list[headers.Header]) -> None:
        """Answers a request with headers alone."""
        wire = self._wire.streams[stream_id]
        self._wire.send_headers(stream_id, answer, end_stream=True)
        if not wire.closed:
            self._wire.reset_stream(stream_id, ErrorCodes.NO_ERROR)
        self._wire.forget(wire)

    def _open(self, wire: Any, behind: Behind, request: headers.Request) -> None:
        body = Body(self._shared.options.max_receive_bytes)
        stream = Stream(wire, behind, self._outbox, H2Call(request, self._peer, self._clock), body)
        self._streams[stream.id] = stream
        self._young.add(stream)
        if request.timeout is not None and request.timeout < _MAX_TIMER:
            stream.timer = self._loop.call_later(
                request.timeout,
                stream.cut,
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "the deadline has passed",
            )
        behind.opened(stream)

    def _on_data(self, event: events.DataReceived) -> None:
        if event.flow_controlled_length:
            self._wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if not event.data:
            if event.stream_ended is None:
                self._charge(1)
            return
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.body is None or stream.status is not None:
            return
        self._held += len(event.data)
        try:
            stream.body.feed(event.data)
            self._check_held()
            before = len(stream.body)
            stream.behind.received(stream, stream.body)
            self._held -= before - len(stream.body)
        except RpcError as error:
            self._complete(stream)
            stream.finish(error.code, error.message)

    def _check_held(self) -> None:
        if self._held > MAX_HELD_BYTES:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"unfinished requests of this connection have over {MAX_HELD_BYTES} bytes",
            )

    def _on_end(self, event: events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        stream.request_ended = True
        body = stream.body
        self._complete(stream)
        if body is None or stream.status is not None or stream.wire.closed:
            return
        try:
            stream.behind.half_closed(stream, body)
        except RpcError as error:
            stream.finish(error.code, error.message)

    def _on_reset(self, event: events.StreamReset) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        if not stream.answered:
            self._charge(1)
        self._wire.forget(stream.wire)
        stream.abandon()
        self._left(stream)

    def _on_window(self, event: events.WindowUpdated) -> None:
        if event.delta < _SMALL_UPDATE:
            self._charge(1)
        if event.stream_id:
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                self._outbox.room(stream)

    def _on_settings(self, _event: events.RemoteSettingsChanged) -> None:
        self._quiet("preface")
        self._charge(_SETTINGS_COST)
        for stream in self._streams.values():
            self._outbox.room(stream)

    def _on_pong(self, event: events.PingAckReceived) -> None:
        if event.ping_data == _RETIRING:
            self.turn_away()

    def _on_cost(self, _event: events.Event) -> None:
        self._charge(1)

    def _on_goaway(self, _event: events.ConnectionTerminated) -> None:
        self._refusing = True
        self._end_if_empty()


def _address(peername: Any) -> str:
    """As `Call.peer`."""
    if not isinstance(peername, tuple):
        return str(peername or "")
    host, port = peername[:2]
    if ":" not in host:
        return f"ipv4:{host}:{port}"
    mapped = host.removeprefix("::ffff:")
    return f"ipv4:{mapped}:{port}" if "." in mapped else f"ipv6:[{host}]:{port}"


_HANDLERS: Final[dict[type[events.Event], Callable[[Connection, Any], None]]] = {
    events.RequestReceived: Connection._on_request,  # noqa: SLF001  # a table of this class's own
    events.DataReceived: Connection._on_data,  # noqa: SLF001
    events.StreamEnded: Connection._on_end,  # noqa: SLF001
    events.StreamReset: Connection._on_reset,  # noqa: SLF001
    events.WindowUpdated: Connection._on_window,  # noqa: SLF001
    events.RemoteSettingsChanged: Connection._on_settings,  # noqa: SLF001
    events.PingReceived: Connection._on_cost,  # noqa: SLF001
    events.PingAckReceived: Connection._on_pong,  # noqa: SLF001
    events.PriorityUpdated: Connection._on_cost,  # noqa: SLF001
    events.UnknownFrameReceived: Connection._on_cost,  # noqa: SLF001
    events.ConnectionTerminated: Connection._on_goaway,  # noqa: SLF001
}
