"""The socket's side of a client's connection: HTTP/2 in and out, calls by their streams, and
whether the peer is still there."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import NoAvailableStreamIDError, ProtocolError

from linkerd.rpc.client.calls import Call
from linkerd.rpc.client.errors import CallError, UnreachableError
from linkerd.rpc.client.headers import Header
from linkerd.rpc.client.options import ClientOptions
from linkerd.rpc.client.wire import Wire
from linkerd.runtime.logs import get_logger

_MAX_UNREAD: Final = 256 << 10
"""Bytes: a peer that makes us say so much, and does not read it, is given up."""

_PING: Final = b"alive?  "
_log = get_logger(__name__)


class Connection(asyncio.Protocol):
    """One connection with `peer`. `settled` is done when the peer speaks HTTP/2, or with what came
    instead; `lost` is done when there is no connection any more.

    `changed` is called when a call begins or ends, and when no more may begin (`usable`).
    """

    def __init__(
        self, peer: str, options: ClientOptions, changed: Callable[["Connection"], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        self.settled: asyncio.Future[CallError | None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.usable = True
        self.calls: dict[int, Call] = {}
        self._peer = peer
        self._options = options
        self._changed = changed
        self._loop = loop
        self._wire = Wire(options.stream_window)
        self._unsent: dict[int, memoryview] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._full = False  # no more is to be written at the moment
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says the preface."""
        self._transport = cast("asyncio.Transport", transport)
        self._wire.begin()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Hands what has come to the calls that it is for."""
        if self._transport is None:
            return
        self._heard = time.monotonic()
        try:
            for event in self._wire.receive_data(data):
                handle = _HANDLERS.get(type(event))
                if handle is not None:
                    handle(self, event)
        except ProtocolError as error:
            self._flush()
            self._end(UnreachableError(f"{self._peer} breaks HTTP/2: {error}"))
            return
        if self._transport is not None:
            self._flush()
            self._send_bodies()

    def pause_writing(self) -> None:
        """The peer reads slowly: requests wait."""
        self._full = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._full = False
        if self._transport is not None:
            self._send_bodies()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all calls."""
        why = f": {exc}" if exc else ""
        self._end(UnreachableError(f"the connection with {self._peer} broke off{why}"))
        self._transport = None
        if not self.lost.done():
            self.lost.set_result(None)

    # What callers want.

    async def room(self) -> None:
        """Returns when a call may begin, as far as the peer's limit of streams is concerned, or
        none will any more."""
        while self.usable and len(self.calls) >= self._wire.remote_settings.max_concurrent_streams:
            waiter = self._loop.create_future()
            self._waiting.append(waiter)
            await waiter

    def begin(self, headers: Sequence[Header], message: bytes) -> Call:
        """Begins a call. Raises UnreachableError when none may begin any more."""
        if not self.usable:
            raise UnreachableError(f"{self._peer} ends the connection: try again")
        try:
            stream_id = self._wire.get_next_available_stream_id()
            self._wire.send_headers(stream_id, headers)
        except NoAvailableStreamIDError:
            self._retire()
            raise UnreachableError(f"the connection with {self._peer} is used up") from None
        call = self.calls[stream_id] = Call(self, stream_id, self._options.max_receive_bytes)
        self._unsent[stream_id] = memoryview(b"\0" + len(message).to_bytes(4) + message)
        self._flush()
        self._send_body(stream_id)
        if self._timer is None:
            self._heard = time.monotonic()
            self._later(self._options.keepalive_interval.total_seconds(), self._look)
        self._changed(self)
        return call

    def give_room(self, stream_id: int, size: int) -> None:
        if self._wire.open(stream_id):
            self._wire.increment_flow_control_window(size, stream_id)
            self._flush()

    def leave(self, call: Call) -> None:
        self.calls.pop(call.stream_id, None)
        self._unsent.pop(call.stream_id, None)
        if self._transport is not None and self._wire.open(call.stream_id):
            self._wire.reset_stream(call.stream_id, ErrorCodes.CANCEL)
            self._flush()
        if self._waiting:
            self._release()
        self._changed(self)

    def close(self, error: CallError | None = None) -> None:
        """Ends the connection in order, and with it all calls."""
        if self._transport is not None and not self._transport.is_closing():
            self._wire.close_connection()
            self._flush()
        self._end(error or UnreachableError(f"the connection with {self._peer} is closed"))

    def abort(self) -> None:
        """Ends it now, if it ever began."""
        if self._transport is not None:
            self._transport.abort()
        self._end(UnreachableError(f"the connection with {self._peer} is closed"))

    def _end(self, error: CallError) -> None:
        if not self.settled.done():
            self.settled.set_result(error)
        self._retire()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        transport, self._transport = self._transport, None
        for call in tuple(self.calls.values()):
            call.lost(error)
        self._wire.close()
        if transport is not None:
            transport.close()

    def _retire(self) -> None:
        """No more calls begin here."""
        if self.usable:
            self.usable = False
            self._release()
            self._changed(self)

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    # What there is to say.

    def _send_bodies(self) -> None:
        for stream_id in tuple(self._unsent):
            self._send_body(stream_id)

    def _send_body(self, stream_id: int) -> None:
        """As much of a request as the peer has room for, and reads."""
        while (rest := self._unsent.get(stream_id)) and not self._full:
            room = self._wire.local_flow_control_window(stream_id)
            size = min(room, self._wire.max_outbound_frame_size, len(rest))
            if size <= 0:
                return
            self._wire.send_data(stream_id, bytes(rest[:size]), end_stream=size == len(rest))
            self._unsent[stream_id] = rest[size:]
            self._flush()
        if not rest:
            self._unsent.pop(stream_id, None)

    def _flush(self) -> None:
        data = self._wire.data_to_send()
        if not data or self._transport is None:
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > _MAX_UNREAD:
            transport = self._transport
            self._end(UnreachableError(f"{self._peer} does not read"))
            transport.abort()

    # Whether the peer is there.

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(seconds, what)

    def _look(self) -> None:
        self._timer = None
        if not self.calls:
            return
        interval = self._options.keepalive_interval.total_seconds()
        silence = time.monotonic() - self._heard
        if silence < interval:
            self._later(interval - silence, self._look)
            return
        asked = time.monotonic()
        self._wire.ping(_PING)
        self._flush()
        self._later(self._options.keepalive_timeout.total_seconds(), lambda: self._judge(asked))

    def _judge(self, asked: float) -> None:
        self._timer = None
        if self._heard >= asked:
            self._look()
            return
        transport = self._transport
        self._end(UnreachableError(f"{self._peer} gives no sign of life"))
        if transport is not None:
            transport.abort()

    # What the peer says.

    def _on_settings(self, _event: events.RemoteSettingsChanged) -> None:
        if not self.settled.done():
            self.settled.set_result(None)
        self._release()

    def _on_response(self, event: events.ResponseReceived) -> None:
        call = self.calls.get(event.stream_id or 0)
        if call is not None:
            call.headers(event.headers or ())
            if event.stream_ended is not None:
                call.trailers(event.headers or ())

    def _on_data(self, event: events.DataReceived) -> None:
        size = event.flow_controlled_length or 0
        self._wire.came(size)
        call = self.calls.get(event.stream_id or 0)
        if call is not None:
            call.data(event.data or b"", size)

    def _on_trailers(self, event: events.TrailersReceived) -> None:
        call = self.calls.get(event.stream_id or 0)
        if call is not None:
            call.trailers(event.headers or ())

    def _on_stream_ended(self, event: events.StreamEnded) -> None:
        call = self.calls.get(event.stream_id or 0)
        if call is not None:
            call.stopped()

    def _on_reset(self, event: events.StreamReset) -> None:
        call = self.calls.get(event.stream_id or 0)
        if call is not None:
            call.reset(event.error_code)

    def _on_goaway(self, event: events.ConnectionTerminated) -> None:
        self._retire()
        last = event.last_stream_id or 0
        for stream_id, call in tuple(self.calls.items()):
            if stream_id > last:
                call.lost(UnreachableError(f"{self._peer} did not take the call: try again"))


_HANDLERS: Final[dict[type[events.Event], Callable[[Connection, Any], None]]] = {
    events.RemoteSettingsChanged: Connection._on_settings,  # noqa: SLF001  # a table of its own
    events.ResponseReceived: Connection._on_response,  # noqa: SLF001
    events.DataReceived: Connection._on_data,  # noqa: SLF001
    events.TrailersReceived: Connection._on_trailers,  # noqa: SLF001
    events.StreamEnded: Connection._on_stream_ended,  # noqa: SLF001
    events.StreamReset: Connection._on_reset,  # noqa: SLF001
    events.ConnectionTerminated: Connection._on_goaway,  # noqa: SLF001
}
