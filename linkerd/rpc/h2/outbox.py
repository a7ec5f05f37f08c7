"""What a connection sends: frames of ready streams in turn, all of one turn in one write.

A connection may send `WRITE_BYTES`, and take its share of the time, before other connections have
their turn; a stream that could use all of them goes to the end of the queue then. A stream without
room in its window waits for its WINDOW_UPDATE and is not polled meanwhile; without room in the
connection's window all wait, but for those that have only their status to send, which needs none.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from h2.errors import ErrorCodes

from linkerd.rpc.h2 import headers
from linkerd.rpc.h2.budget import PER_FRAME, earned
from linkerd.rpc.h2.large_messages import LargeMessages
from linkerd.rpc.h2.sending import Sending
from linkerd.rpc.h2.streams import Handler, Stream
from linkerd.rpc.h2.timers import Timers
from linkerd.rpc.h2.wire import PACK_FRAME, PACK_MESSAGE, PACK_PREFIX, Wire

_MAX_FRAME: Final = 64 << 10  # peers may allow 16 MiB, which would be unfair to other streams
_STREAMS_A_LOOK: Final = 16  # between two looks at the clock


class Outbox:
    """Of one connection, whose open calls are `streams`. `touch` says that there may be something
    to send; `earn` hears of units that the peer has earned."""

    def __init__(
        self,
        wire: Wire,
        streams: dict[int, Stream],
        timers: Timers,
        touch: Callable[[], None],
        earn: Callable[[int], None],
    ) -> None:
        self._wire = wire
        self._streams = streams
        self._timers = timers
        self._touch = touch
        self._earn = earn
        self._sendings: dict[int, Sending] = {}
        self._ready: deque[Sending] = deque()
        self._ends: deque[Sending] = deque()
        self._blocked: set[Sending] = set()
        self._large: LargeMessages | None = None  # made for the first that needs it
        self._parts: list[bytes | memoryview] = []
        self._max_frame = 0
        self._earned = 0
        self._closed = False

    @property
    def pending(self) -> bool:
        """Whether there is something to send, and room for it."""
        return bool(
            self._parts
            or self._ends
            or (self._ready and self._wire.outbound_flow_control_window > 0)
        )

    @property
    def blocked(self) -> int:
        """How many streams wait for room."""
        return len(self._blocked)

    def open(self, stream: Stream) -> Sending:
        """A new stream, which the library knows."""
        sending = Sending(self._wire.streams[stream.id], stream, self)
        self._sendings[stream.id] = sending
        stream.attach(sending)
        return sending

    def ready(self, sending: Sending) -> None:
        """The stream may have something to send. Where others are ready, there will be a turn."""
        if self._closed:
            return
        if not self._ready:
            self._touch()
        self._ready.append(sending)

    def widen(self, stream_id: int, increment: int) -> bool:
        """The peer makes room for a stream (0: for all together); False when it is for the library
        to judge that, and nothing has been done."""
        sending = self._sendings.get(stream_id)
        if sending is None:
            return not stream_id and self._wire.widen(None, increment)
        if not self._wire.widen(sending.wire, increment):
            return False
        if sending.blocked and self._wire.room(sending.wire) > 0:
            self._unblock(sending)
        return True

    def room(self, stream_id: int) -> None:
        """The peer has made room for a stream. A message that is partly sent goes first: to finish
        messages one after the other, where windows allow, brings most of them sooner and the last
        no later, and clients are woken less often."""
        sending = self._sendings.get(stream_id)
        if sending is not None and sending.blocked and self._wire.room(sending.wire) > 0:
            self._unblock(sending)

    def room_for_all(self) -> None:
        """The windows of all streams have changed."""
        for sending in tuple(self._blocked):
            if self._wire.room(sending.wire) > 0:
                self._unblock(sending)

    def _unblock(self, sending: Sending) -> None:
        sending.blocked = False
        self._blocked.discard(sending)
        if sending.rest is None or sending.queued:
            sending.wake()
        else:
            self._go_on(sending)

    def _go_on(self, sending: Sending) -> None:
        """A message that was begun, or waited to be, comes next."""
        sending.queued = True
        self._ready.appendleft(sending)
        self._touch()

    def end(self, sending: Sending) -> None:
        if not self._closed:
            self._ends.append(sending)
            self._touch()

    def reset(self, sending: Sending, code: ErrorCodes) -> None:
        if not sending.wire.closed:
            self._wire.reset_stream(sending.id, code)
        self._leave(sending)
        self._touch()

    def lost(self, stream_id: int) -> bool:
        """The stream is reset already, by the peer or by the library; whether it was unanswered."""
        sending = self._sendings.get(stream_id)
        if sending is None:
            return False
        self._leave(sending)
        return not sending.answered

    def close(self) -> None:
        """Nothing is sent any more; the streams are still to `leave`."""
        self._closed = True
        self._ready.clear()
        self._ends.clear()
        if self._large is not None:
            self._large.close()

    def leave(self, until: float) -> None:
        """Takes streams off the connection, at least one and until it is `until`."""
        while self._sendings:
            self._leave(next(iter(self._sendings.values())))
            if self._timers.time() >= until:
                break

    def send(self, room: int, until: float) -> list[bytes | memoryview]:
        """What to write now: about `room` bytes of frames, of which no new one is begun after
        `until`. What the library has to say is always among them."""
        self._take()
        if self._ready or self._ends:
            self._fill(room, until)
        parts, self._parts = self._parts, []
        return parts

    def _take(self) -> None:
        """What the library has to say."""
        if data := self._wire.data_to_send():
            self._parts.append(data)

    def _fill(self, room: int, until: float) -> None:
        self._max_frame = min(self._wire.max_outbound_frame_size, _MAX_FRAME)
        self._earned = looked = 0
        wire, ready, ends = self._wire, self._ready, self._ends
        while room > 0:
            if ends:
                room -= self._end(ends.popleft())
            elif ready and wire.outbound_flow_control_window > 0:
                sending = ready.popleft()
                sending.queued = False
                if sending.stream is not None:
                    room -= self._advance(sending, sending.stream, room)
            else:
                break
            looked += 1
            if not looked % _STREAMS_A_LOOK and self._timers.time() >= until:
                break
        if self._earned:
            self._earn(self._earned)

    def _advance(self, sending: Sending, stream: Stream, share: int) -> int:
        """A stream's turn, of `share` bytes; how many it took."""
        wire, half, sent = self._wire, sending.wire, 0
        base = wire.base_window
        while sent < share:
            room = base + half.outbound_flow_control_window
            if room > wire.outbound_flow_control_window:
                room = wire.outbound_flow_control_window
            if room <= 0 and (sending.rest is not None or not sending.ended):
                break
            if sending.rest is not None:
                sent += self._continue(sending, room)
            elif sending.ended:
                return sent + self._end(sending)
            else:
                message = stream.poll()
                if message is None:
                    return sent
                sent += self._begin(sending, stream.handler, message, room)
                if sending.queued:  # it waits for others to be through
                    return sent
        if base + half.outbound_flow_control_window > 0:
            sending.wake()
        else:
            sending.blocked = True
            self._blocked.add(sending)
        return sent

    def _begin(self, sending: Sending, handler: Handler, message: bytes, room: int) -> int:
        """Sends a message, or as much of it as there is room for."""
        handler.metrics.sent.value += 1
        size = len(message)
        total = size + 5
        if total > room or total > self._max_frame:
            sending.put(PACK_PREFIX(0, size), message)
            if total > room and not self._may_begin(sending):
                sending.queued = True
                return 0
            return self._continue(sending, room)
        if not sending.answered:
            self._answer(sending)
        self._parts.append(PACK_MESSAGE(total >> 16, total & 0xFFFF, 0, sending.id, 0, size))
        self._parts.append(message)
        self._wire.outbound_flow_control_window -= total
        sending.wire.outbound_flow_control_window -= total
        self._earned += PER_FRAME
        return total

    def _continue(self, sending: Sending, room: int) -> int:
        """Sends one frame of the message at hand."""
        lead, rest = sending.lead, sending.rest
        assert rest is not None  # noqa: S101  # the caller has looked
        if not sending.answered:
            self._answer(sending)
        size = min(room, self._max_frame, len(lead) + len(rest))
        self._parts.append(PACK_FRAME(size >> 16, size & 0xFFFF, 0, sending.id))
        taken = size
        if lead:
            self._parts.append(lead[:size])
            sending.lead = lead[size:]
            taken = max(0, size - len(lead))
        self._parts.append(rest[:taken])
        sending.rest = rest[taken:] if taken < len(rest) or sending.lead else None
        self._wire.outbound_flow_control_window -= size
        sending.wire.outbound_flow_control_window -= size
        self._earned += earned(size, ends=sending.rest is None)
        if sending.rest is None:
            self._through(sending)
        return size

    def _may_begin(self, sending: Sending) -> bool:
        """Whether a message that exceeds the stream's window may begin now; else it waits."""
        if self._large is None:
            self._large = LargeMessages(self._timers, self._go_on)
        return self._large.may_begin(sending)

    def _through(self, sending: Sending) -> None:
        """A message is sent, or never will be."""
        if self._large is not None:
            self._large.through(sending)

    def _answer(self, sending: Sending) -> None:
        sending.answered = True
        self._take()
        self._parts.append(self._wire.answer(sending.wire))

    def _end(self, sending: Sending) -> int:
        """Sends the status, and lets a client that still sends know that nobody listens."""
        stream = sending.stream
        if stream is None or stream.status is None:
            return 0
        end = headers.status(*stream.status, answered=sending.answered)
        self._wire.send_headers(sending.id, end, end_stream=True)
        if not sending.wire.closed:  # the request has not ended
            self._wire.reset_stream(sending.id, ErrorCodes.NO_ERROR)
        self._take()
        self._leave(sending)
        return len(self._parts[-1])

    def _leave(self, sending: Sending) -> None:
        """The stream is off the connection."""
        self._through(sending)
        self._blocked.discard(sending)
        self._wire.forget(sending.wire)
        self._sendings.pop(sending.id, None)
        stream = self._streams.pop(sending.id, None)
        sending.close()
        if stream is not None:
            stream.abandon()
