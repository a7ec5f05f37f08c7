"""What a connection sends: frames of ready streams in turn, all of one turn in one write.

A connection may send `WRITE_BYTES` before other connections have their turn; a stream that could
use all of them goes to the end of the queue then. A stream without room in its window waits for its
WINDOW_UPDATE and is not polled meanwhile; without room in the connection's window all wait, but for
those that have only their status to send, which needs none.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from h2.errors import ErrorCodes

from linkerd.rpc.h2 import headers
from linkerd.rpc.h2.limits import MAX_UNREAD_BYTES, WRITE_BYTES, Budget
from linkerd.rpc.h2.queue import LargeMessages
from linkerd.rpc.h2.streams import Behind, Stream
from linkerd.rpc.h2.wire import PACK_FRAME, PACK_MESSAGE, PACK_PREFIX, Wire
from linkerd.runtime.logs import get_logger

_log = get_logger(__name__)
_MAX_FRAME: Final = 64 << 10  # peers may allow 16 MiB, which would be unfair to other streams
_GOOD_FRAME: Final = 512  # bytes; smaller ones earn the peer nothing unless they end a message


class Outbox:
    """Of one connection. `on_left` hears of each stream that is off the connection."""

    def __init__(
        self,
        wire: Wire,
        transport: asyncio.Transport,
        budget: Budget,
        on_left: Callable[[Stream], None],
    ) -> None:
        self._wire = wire
        self._transport = transport
        self._budget = budget
        self._on_left = on_left
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Stream] = deque()
        self._ends: deque[Stream] = deque()
        self._large = LargeMessages(self._loop, self._go_on)
        self._parts: list[bytes | memoryview] = []
        self._polled: dict[Behind, int] = {}
        self._max_frame = 0
        self._frames = 0
        self._scheduled = False
        self._paused = False
        self._closed = False
        transport.set_write_buffer_limits(high=WRITE_BYTES)

    def ready(self, stream: Stream) -> None:
        """As `Sender.ready`."""
        self._ready.append(stream)
        self.touch()

    def room(self, stream: Stream) -> None:
        """The peer has made room for a stream. A message that is partly sent goes first: to finish
        messages one after the other, where windows allow, brings most of them sooner and the last
        no later, and clients are woken less often."""
        if stream.blocked:
            stream.blocked = False
            if stream.rest is None or stream.queued:
                stream.wake()
            else:
                self._go_on(stream)

    def _go_on(self, stream: Stream) -> None:
        """A message that was begun, or waited to be, comes next."""
        stream.queued = True
        self._ready.appendleft(stream)
        self.touch()

    def end(self, stream: Stream) -> None:
        """As `Sender.end`."""
        self._ends.append(stream)
        self.touch()

    def reset(self, stream: Stream, code: ErrorCodes) -> None:
        """As `Sender.reset`."""
        if not stream.wire.closed:
            self._wire.reset_stream(stream.id, code)
        self._leave(stream)
        self.touch()

    def lost(self, stream: Stream) -> None:
        """The peer has reset a stream."""
        self._leave(stream)

    def touch(self) -> None:
        """There is, or may be, something to send."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def pause(self) -> None:
        """The kernel takes no more at the moment."""
        self._paused = True

    def resume(self) -> None:
        """It does again."""
        self._paused = False
        self.touch()

    def close(self) -> None:
        """Nothing is sent any more."""
        self._closed = True
        self._ready.clear()
        self._ends.clear()
        self._large.close()

    def flush(self) -> None:
        """One turn."""
        self._scheduled = False
        if self._closed:
            return
        try:
            self._turn()
        except Exception as error:  # noqa: BLE001  # of this connection alone
            _log.error("a connection cannot send", exc_info=error)
            self._transport.abort()

    def _turn(self) -> None:
        self._take()
        if not self._paused:
            self._fill(WRITE_BYTES - self._transport.get_write_buffer_size())
        self._write()
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._transport.abort()
        elif not self._paused and (self._ends or (self._ready and self._window > 0)):
            self.touch()

    @property
    def _window(self) -> int:
        return self._wire.outbound_flow_control_window

    def _take(self) -> None:
        """What the library has to say."""
        if data := self._wire.data_to_send():
            self._parts.append(data)

    def _fill(self, room: int) -> None:
        self._max_frame = min(self._wire.max_outbound_frame_size, _MAX_FRAME)
        self._frames = 0
        while room > 0:
            if self._ends:
                room -= self._end(self._ends.popleft())
            elif self._ready and self._window > 0:
                stream = self._ready.popleft()
                stream.queued = False
                if not stream.gone:
                    room -= self._advance(stream, room)
            else:
                break
        self._budget.earn(self._frames)
        for behind, count in self._polled.items():
            behind.metrics.sent.inc(count)
        self._polled.clear()

    def _advance(self, stream: Stream, share: int) -> int:
        """A stream's turn, of `share` bytes; how many it took."""
        sent = 0
        while sent < share:
            room = min(self._window, stream.wire.outbound_flow_control_window)
            if room <= 0 and (stream.rest is not None or stream.status is None):
                break
            if stream.rest is not None:
                sent += self._continue(stream, room)
            elif stream.status is not None:
                return sent + self._end(stream)
            else:
                message = stream.poll()
                if message is None:
                    return sent
                sent += self._begin(stream, message, room)
                if stream.queued:  # it waits for others to be through
                    return sent
        if stream.wire.outbound_flow_control_window > 0:
            stream.wake()
        else:
            stream.blocked = True
        return sent

    def _begin(self, stream: Stream, message: bytes, room: int) -> int:
        """Sends a message, or as much of it as there is room for."""
        behind = stream.behind
        self._polled[behind] = self._polled.get(behind, 0) + 1
        size = len(message)
        total = size + 5
        if total > room or total > self._max_frame:
            stream.lead, stream.rest = PACK_PREFIX(0, size), memoryview(message)
            if total > room and not self._large.may_begin(stream):
                stream.queued = True
                return 0
            return self._continue(stream, room)
        if not stream.answered:
            self._answer(stream)
        self._parts.append(PACK_MESSAGE(total >> 16, total & 0xFFFF, 0, stream.id, 0, size))
        self._parts.append(message)
        self._wire.outbound_flow_control_window -= total
        stream.wire.outbound_flow_control_window -= total
        self._frames += 1
        return total

    def _continue(self, stream: Stream, room: int) -> int:
        """Sends one frame of the message at hand."""
        lead, rest = stream.lead, stream.rest
        assert rest is not None  # noqa: S101  # the caller has looked
        if not stream.answered:
            self._answer(stream)
        size = min(room, self._max_frame, len(lead) + len(rest))
        self._parts.append(PACK_FRAME(size >> 16, size & 0xFFFF, 0, stream.id))
        taken = size
        if lead:
            self._parts.append(lead[:size])
            stream.lead = lead[size:]
            taken = max(0, size - len(lead))
        self._parts.append(rest[:taken])
        stream.rest = rest[taken:] if taken < len(rest) or stream.lead else None
        self._wire.outbound_flow_control_window -= size
        stream.wire.outbound_flow_control_window -= size
        if size >= _GOOD_FRAME or stream.rest is None:
            self._frames += 1
        if stream.rest is None:
            self._large.through(stream)
        return size

    def _answer(self, stream: Stream) -> None:
        stream.answered = True
        self._wire.send_headers(stream.id, headers.RESPONSE)
        self._take()

    def _end(self, stream: Stream) -> int:
        """Sends the status, and lets a client that still sends know that nobody listens."""
        if stream.gone or stream.status is None:
            return 0
        end = headers.status(*stream.status, answered=stream.answered)
        self._wire.send_headers(stream.id, end, end_stream=True)
        if not stream.request_ended:
            self._wire.reset_stream(stream.id, ErrorCodes.NO_ERROR)
        self._take()
        self._leave(stream)
        return len(self._parts[-1])

    def _leave(self, stream: Stream) -> None:
        self._large.through(stream)
        self._wire.forget(stream.wire)
        stream.abandon()
        self._on_left(stream)

    def _write(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
