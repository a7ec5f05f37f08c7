"""What a peer says about its calls: requests come, get on, end, are reset, get room for answers."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from h2 import events
from h2.errors import ErrorCodes
from h2.stream import H2Stream

from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2 import costs, headers
from linkerd.rpc.h2.call import H2Call
from linkerd.rpc.h2.flood_meter import FloodMeter
from linkerd.rpc.h2.outbox import Outbox
from linkerd.rpc.h2.receiving import Holdings, Receiving
from linkerd.rpc.h2.streams import Handler, Stream
from linkerd.rpc.h2.timers import Timers
from linkerd.rpc.h2.wire import Wire
from linkerd.rpc.options import ServerOptions

_MAX_TIMER: Final = 30 * 86400.0  # seconds; deadlines beyond are not watched
_NO_METHOD: Final = headers.status(
    grpc.StatusCode.UNIMPLEMENTED, "this server has no such method", answered=False
)


class Inbox:
    """Of one connection, whose open calls are `streams`. `begun` counts the methods called."""

    def __init__(
        self,
        routes: dict[bytes, Handler],
        options: ServerOptions,
        peer: str,
        wire: Wire,
        streams: dict[int, Stream],
        outbox: Outbox,
        holdings: Holdings,
        flood_meter: FloodMeter,
        timers: Timers,
    ) -> None:
        self.begun = 0
        self.refusing = False  # new streams, as the peer was told to go
        self._routes = routes
        self._options = options
        self._peer = peer
        self._wire = wire
        self._streams = streams
        self._outbox = outbox
        self._holdings = holdings
        self._flood_meter = flood_meter
        self._timers = timers
        self._clock = timers.time  # bound once for all calls, of which each keeps it
        self._sweeps = 0

    def take(self, event: events.Event) -> bool:
        """Looks at what is about a stream; whether it was."""
        handle = _HANDLERS.get(type(event))
        if handle is None:
            return False
        handle(self, event)
        return True

    def sweep(self) -> None:
        """Ends the calls whose request was not whole at the last sweep either."""
        for receiving, stream_id in tuple(self._holdings.waiting.items()):
            if receiving.mark == self._sweeps:
                break
            self._flood_meter.charge(costs.UNSERVED)
            why = "the request did not come to its end in time"
            self._streams[stream_id].cut(grpc.StatusCode.CANCELLED, why)
        self._sweeps += 1

    def cut(self, why: str) -> None:
        """Ends all calls: cleanly those that watch, the others with UNAVAILABLE."""
        for stream in tuple(self._streams.values()):
            if stream.begun and stream.subscription is not None:
                stream.cut(grpc.StatusCode.OK, "")
            else:
                stream.cut(grpc.StatusCode.UNAVAILABLE, why)

    def _on_request(self, event: events.RequestReceived) -> None:
        sent: Sequence[headers.Header] = event.headers
        wire = self._wire.streams[event.stream_id]
        self._charge_fields(len(sent))
        if self.refusing:
            self._turn_down(wire, costs.LATE)
        elif self._full():
            self._turn_down(wire, costs.REFUSED)
        else:
            self._begin(wire, sent)

    def _on_trailers(self, event: events.TrailersReceived) -> None:
        self._charge_fields(len(event.headers))

    def _charge_fields(self, count: int) -> None:
        self._flood_meter.charge(costs.cost_of_fields(count, self._wire.decoder.resized))

    def _full(self) -> bool:
        whole = self._holdings.whole
        return len(self._streams) >= self._options.max_connection_streams or (
            whole is not None and whole.unfinished >= self._options.max_pending_calls
        )

    def _turn_down(self, wire: H2Stream, cost: costs.Cost) -> None:
        """The client may try elsewhere."""
        self._wire.reset_stream(wire.stream_id, ErrorCodes.REFUSED_STREAM)
        self._wire.forget(wire)
        self._flood_meter.charge(cost)

    def _begin(self, wire: H2Stream, sent: Sequence[headers.Header]) -> None:
        try:
            request = headers.request_of(sent)
        except headers.NotGrpcError as error:
            answer = error.headers
        except RpcError as error:
            answer = headers.status(error.code, error.message, answered=False)
        else:
            handler = self._routes.get(request.path)
            if handler is not None:
                self._open(wire, handler, request)
                return
            answer = _NO_METHOD
        self._refuse(wire, answer)

    def _refuse(self, wire: H2Stream, answer: list[headers.Header]) -> None:
        """Answers a request with headers alone."""
        self._wire.send_headers(wire.stream_id, answer, end_stream=True)
        if not wire.closed:
            self._wire.reset_stream(wire.stream_id, ErrorCodes.NO_ERROR)
        self._wire.forget(wire)
        self._flood_meter.charge(costs.REFUSED)

    def _open(self, wire: H2Stream, handler: Handler, request: headers.Request) -> None:
        limit = self._options.max_receive_bytes
        receiving = Receiving(self._holdings, wire.stream_id, limit, self._sweeps)
        call = H2Call(request, self._peer, self._clock)
        stream = Stream(wire.stream_id, handler, call, receiving)
        self._streams[stream.id] = stream
        self._outbox.open(stream)
        if request.timeout is not None and request.timeout < _MAX_TIMER:
            stream.expire(self._timers.call_later(request.timeout, self._expire, stream))
        try:
            receiving.hold_headers(request.metadata)
        except RpcError as error:
            self._give_up(stream, error)
        else:
            handler.opened(stream)

    def _expire(self, stream: Stream) -> None:
        if not stream.begun:
            self._flood_meter.charge(costs.UNSERVED)
        stream.cut(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed")

    def _give_up(self, stream: Stream, error: RpcError) -> None:
        """The request is wrong, or too much."""
        self._flood_meter.charge(costs.UNSERVED)
        stream.finish(error.code, error.message)

    def _on_data(self, event: events.DataReceived) -> None:
        if event.flow_controlled_length:
            self._wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.receiving is None or not event.data:
            return
        try:
            stream.receiving.feed(event.data)
            stream.handler.received(stream, stream.receiving)
        except RpcError as error:
            self._give_up(stream, error)

    def _on_end(self, event: events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.receiving is None:
            return
        try:
            stream.handler.half_closed(stream, stream.receiving)
        except RpcError as error:
            self._give_up(stream, error)
        else:
            self.begun += 1

    def _on_reset(self, event: events.StreamReset) -> None:
        stream = self._streams.get(event.stream_id)
        unanswered = self._outbox.lost(event.stream_id)
        if not event.remote_reset:
            self._flood_meter.charge(costs.PROVOKED)
        elif unanswered and stream is not None:
            self._flood_meter.charge(costs.UNANSWERED if stream.begun else costs.UNSERVED)

    def _on_window(self, event: events.WindowUpdated) -> None:
        if event.stream_id:
            self._outbox.room(event.stream_id)


_HANDLERS: Final[dict[type[events.Event], Callable[[Inbox, Any], None]]] = {
    events.RequestReceived: Inbox._on_request,  # noqa: SLF001  # a table of its own
    events.TrailersReceived: Inbox._on_trailers,  # noqa: SLF001
    events.DataReceived: Inbox._on_data,  # noqa: SLF001
    events.StreamEnded: Inbox._on_end,  # noqa: SLF001
    events.StreamReset: Inbox._on_reset,  # noqa: SLF001
    events.WindowUpdated: Inbox._on_window,  # noqa: SLF001
}
