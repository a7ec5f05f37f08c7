"""What a peer says about its calls: requests come, get on, end, are reset, have room for answers.

The library has taken in all of a read before its events come here, so a stream may be closed
already when its first event does.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc
from h2 import events
from h2.errors import ErrorCodes
from h2.stream import H2Stream

from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2 import headers
from linkerd.rpc.h2.body import Body
from linkerd.rpc.h2.call import H2Call
from linkerd.rpc.h2.limits import MAX_HELD_BYTES
from linkerd.rpc.h2.outbox import Outbox
from linkerd.rpc.h2.streams import Behind, Stream
from linkerd.rpc.h2.wire import Wire
from linkerd.rpc.options import ServerOptions

_SMALL_UPDATE: Final = 1024  # bytes; WINDOW_UPDATEs of less cost more than they bring
_MAX_TIMER: Final = 30 * 86400.0  # seconds; deadlines beyond are not watched
_NO_METHOD: Final = headers.status(
    grpc.StatusCode.UNIMPLEMENTED, "this server has no such method", answered=False
)


class Inbox:
    """The streams of a connection. `charge` lets the peer pay for a frame that brings nothing."""

    def __init__(
        self,
        routes: dict[bytes, Behind],
        options: ServerOptions,
        peer: str,
        wire: Wire,
        outbox: Outbox,
        charge: Callable[[int], None],
    ) -> None:
        self.refusing = False  # new streams, as the peer was told to go
        self._routes = routes
        self._options = options
        self._peer = peer
        self._wire = wire
        self._outbox = outbox
        self._charge = charge
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
        self._streams: dict[int, Stream] = {}
        self._young: set[Stream] = set()  # whose request is not whole
        self._slow: set[Stream] = set()  # that were young at the last sweep
        self._held = 0  # bytes of requests that are not whole
        self._handlers: dict[type[events.Event], Callable[[Any], None]] = {
            events.RequestReceived: self._on_request,
            events.DataReceived: self._on_data,
            events.StreamEnded: self._on_end,
            events.StreamReset: self._on_reset,
            events.WindowUpdated: self._on_window,
        }

    def __len__(self) -> int:
        return len(self._streams)

    def take(self, event: events.Event) -> None:
        """Looks at what is about a stream; the rest is the connection's."""
        handle = self._handlers.get(type(event))
        if handle is not None:
            handle(event)

    def room_for_all(self) -> None:
        """The windows of all streams have changed."""
        for stream in self._streams.values():
            self._outbox.room(stream)

    def sweep(self) -> None:
        """Ends the calls whose request was not whole at the last sweep either."""
        for stream in tuple(self._slow):
            stream.cut(grpc.StatusCode.CANCELLED, "the request did not come to its end in time")
        self._slow, self._young = self._young, set()

    def cut(self, why: str) -> None:
        """Ends all calls with UNAVAILABLE."""
        for stream in tuple(self._streams.values()):
            stream.cut(grpc.StatusCode.UNAVAILABLE, why)

    def abandon(self) -> None:
        """The client is gone, and with it all calls."""
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.abandon()
        self._young.clear()
        self._slow.clear()

    def left(self, stream: Stream) -> None:
        """A stream is over."""
        self._streams.pop(stream.id, None)
        self._complete(stream)

    def _complete(self, stream: Stream) -> None:
        """Nothing of the request is waited for any more."""
        self._young.discard(stream)
        self._slow.discard(stream)
        if stream.body is not None:
            self._held -= len(stream.body)
            stream.body = None

    def _on_request(self, event: events.RequestReceived) -> None:
        wire = self._wire.streams[event.stream_id]
        if wire.closed:  # reset in the same breath
            self._wire.forget(wire)
            self._charge(1)
        elif self.refusing or len(self._streams) >= self._options.max_concurrent_streams:
            self._wire.reset_stream(event.stream_id, ErrorCodes.REFUSED_STREAM)
            self._wire.forget(wire)
            self._charge(1)
        else:
            self._begin(wire, event.headers)

    def _begin(self, wire: H2Stream, sent: Any) -> None:
        try:
            request = headers.request_of(sent)
        except headers.NotGrpcError as error:
            self._refuse(wire, error.headers)
        except RpcError as error:
            self._refuse(wire, headers.status(error.code, error.message, answered=False))
        else:
            behind = self._routes.get(request.path)
            if behind is None:
                self._refuse(wire, _NO_METHOD)
            else:
                self._open(wire, behind, request)

    def _refuse(self, wire: H2Stream, answer: list[headers.Header]) -> None:
        """Answers a request with headers alone."""
        self._wire.send_headers(wire.stream_id, answer, end_stream=True)
        if not wire.closed:
            self._wire.reset_stream(wire.stream_id, ErrorCodes.NO_ERROR)
        self._wire.forget(wire)

    def _open(self, wire: H2Stream, behind: Behind, request: headers.Request) -> None:
        call = H2Call(request, self._peer, self._clock)
        stream = Stream(wire, behind, self._outbox, call, Body(self._options.max_receive_bytes))
        self._streams[stream.id] = stream
        if request.timeout is not None and request.timeout < _MAX_TIMER:
            stream.timer = self._loop.call_later(
                request.timeout,
                stream.cut,
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "the deadline has passed",
            )
        behind.opened(stream)
        if stream.subscription is None:  # else it is a conversation, which may take its time
            self._young.add(stream)

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
            self._feed(stream, stream.body, event.data)
        except RpcError as error:
            self._complete(stream)
            stream.finish(error.code, error.message)

    def _feed(self, stream: Stream, body: Body, data: bytes) -> None:
        body.feed(data)
        if self._held > MAX_HELD_BYTES:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"unfinished requests of this connection have over {MAX_HELD_BYTES} bytes",
            )
        before = len(body)
        try:
            stream.behind.received(stream, body)
        finally:
            self._held -= before - len(body)

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
        self._outbox.lost(stream)

    def _on_window(self, event: events.WindowUpdated) -> None:
        if event.delta < _SMALL_UPDATE:
            self._charge(1)
        if event.stream_id:
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                self._outbox.room(stream)
