"""One connection without I/O: bytes in, bytes out, time and timers from outside.

`receive` only keeps what has come. `step` works it off frame by frame, each charged before it does
anything, as long as there is time and as many methods as may begin at once; the rest waits for the
next turn. `send` gives what is to be written. What the peer does wrong costs it the stream or, as
HTTP/2 says, the connection, and nobody else anything.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import Frame, WindowUpdateFrame

from linkerd.rpc.h2 import costs
from linkerd.rpc.h2.budget import Allowance, Standing
from linkerd.rpc.h2.flood_meter import FloodMeter
from linkerd.rpc.h2.inbox import Inbox
from linkerd.rpc.h2.limits import LINGER_SECONDS, MAX_HELD_BYTES
from linkerd.rpc.h2.outbox import Outbox
from linkerd.rpc.h2.receiving import Holdings
from linkerd.rpc.h2.streams import Handler, Stream
from linkerd.rpc.h2.timers import Timers
from linkerd.rpc.h2.wire import LAST_STREAM_ID, Wire
from linkerd.rpc.metrics import ConnectionMetrics
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.logs import get_logger

_RETIRING: Final = b"retiring"
_ALIVE: Final = b"alive?  "
_log = get_logger(__name__)


class Session:
    """The server's side of a connection with `peer`. `touch` says that a turn is wanted.

    `over`: nothing is read any more, and what `send` gives next are the last words, for which the
    peer has `linger` seconds.
    """

    def __init__(
        self,
        routes: dict[bytes, Handler],
        options: ServerOptions,
        peer: str,
        *,
        allowance: Allowance,
        held: Holdings,
        metrics: ConnectionMetrics,
        timers: Timers,
        touch: Callable[[], None],
    ) -> None:
        self.over = False
        self.linger = LINGER_SECONDS
        self.begun = False  # the peer's SETTINGS have come
        self._options = options
        self.peer = peer
        self._timers = timers
        self._touch = touch
        self._starved = True  # no whole frame has come
        self._moved = False  # windows, all at once
        self._updates = 0  # of windows, one by one
        self._wire = Wire(options.max_connection_streams)
        self._streams: dict[int, Stream] = {}
        self._flood_meter = FloodMeter(allowance, peer, timers, metrics)
        self._outbox = Outbox(self._wire, self._streams, timers, touch, allowance.earn)
        self._inbox = Inbox(
            routes,
            options,
            peer,
            self._wire,
            self._streams,
            self._outbox,
            Holdings(MAX_HELD_BYTES, held),
            self._flood_meter,
            timers,
        )
        self._wire.initiate_connection()

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    @property
    def unread(self) -> bool:
        """Whether there is more to work off."""
        return not self._starved and not self.over

    @property
    def unsent(self) -> bool:
        """Whether there is more to send, and room for it."""
        return self._outbox.pending

    @property
    def slowed(self) -> bool:
        """Whether the peer is to get little of our time."""
        meter = self._flood_meter
        return meter.standing is not Standing.GOOD and meter.look() is not Standing.GOOD

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Keeps what has come."""
        if self.over:
            return
        try:
            self._wire.incoming_buffer.add_data(data)
        except ProtocolError as error:
            self._break(error)
        else:
            self._starved = False

    def step(self, until: float, calls: int) -> int:
        """Works off what has come, until it is `until` or so many `calls` have begun; how many
        have. Something is always taken."""
        begun = self._inbox.begun
        while not self.over and not self._starved and self._inbox.begun - begun < calls:
            self._take_some()
            if self._flood_meter.standing is Standing.CLOSED:
                self.end(ErrorCodes.ENHANCE_YOUR_CALM)
            if self._timers.time() >= until:
                break
        return self._inbox.begun - begun

    def send(self, room: int, until: float) -> list[bytes | memoryview]:
        """What to write, about `room` bytes; no more is begun after `until`."""
        if self._moved:
            self._moved = False
            self._outbox.room_for_all()
        parts = self._outbox.send(room, until)
        if self._inbox.refusing and not self._streams and not self.over:
            self.linger = self._options.keepalive_timeout.total_seconds()
            self._finish()
        return parts

    # What the server, or a timer, asks for.

    def ask(self) -> None:
        """Sends a PING, to hear whether anybody is there."""
        self._wire.ask(_ALIVE)
        self._touch()

    def sweep(self) -> None:
        """Ends requests that do not get on."""
        self._inbox.sweep()
        if self._wire.incoming_buffer.stuck():
            self.end(ErrorCodes.ENHANCE_YOUR_CALM)

    def retire(self) -> None:
        """It is old. First the warning, then, once the peer knows, the end of new streams."""
        if not self.over:
            self._wire.goaway(LAST_STREAM_ID)
            self._wire.ask(_RETIRING)
            self._touch()

    def turn_away(self) -> None:
        """Tells the peer to open no more streams here; the connection ends with its last one."""
        if not self._inbox.refusing and not self.over:
            self._inbox.refusing = True
            self._wire.goaway(self._wire.highest_inbound_stream_id)
            self._touch()

    def cut(self, why: str) -> None:
        """Ends all calls, cleanly those that watch, and so the connection."""
        self.turn_away()
        self._inbox.cut(why)

    def end(self, code: ErrorCodes) -> None:
        """The connection ends now, and the peer is told why."""
        if not self.over:
            self._wire.goaway(self._wire.highest_inbound_stream_id, code)
            self._finish()

    def close(self) -> None:
        """The connection is gone, and with it all calls, which are to `leave`."""
        self._finish()
        self._wire.close()

    def leave(self, until: float) -> None:
        """Ends calls of a connection that is over and lets go of what they held, at least one and
        until it is `until`: thousands at once would hold up everybody else."""
        self._outbox.leave(until)

    def _finish(self) -> None:
        self.over = True
        self._outbox.close()
        self._touch()

    def _take_some(self) -> None:
        """A frame, or WINDOW_UPDATEs that follow each other."""
        try:
            if updates := self._wire.incoming_buffer.updates():
                self._widen(updates)
                return
            frame = self._wire.next_frame()
            if frame is None:
                self._starved = True
                return
            self._flood_meter.charge(costs.cost_of(frame, self._wire, self._outbox.blocked))
            if self._flood_meter.standing is not Standing.CLOSED:
                self._act_on(frame)
        except ProtocolError as error:
            self._break(error)

    def _act_on(self, frame: Frame) -> None:
        for event in self._wire.take(frame):
            if not self._inbox.take(event):
                self._on(event)

    def _widen(self, updates: Sequence[tuple[int, int]]) -> None:
        """These few are charged once they have done what they do. What is behind one that ends the
        connection costs nothing, as when it comes too late to be read."""
        widen, charged = self._outbox.widen, 0
        for count, (stream_id, increment) in enumerate(updates, start=1):
            if not widen(stream_id, increment):
                self._charge_updates(count - charged)
                charged = count
                if self._flood_meter.standing is Standing.CLOSED:
                    return
                self._act_on(WindowUpdateFrame(stream_id, window_increment=increment))
        self._charge_updates(len(updates) - charged)

    def _charge_updates(self, count: int) -> None:
        self._flood_meter.charge(costs.cost_of_updates(count, self._updates))
        self._updates += count

    def _break(self, error: ProtocolError) -> None:
        """The peer has broken the protocol."""
        _log.debug("a client breaks the protocol", peer=self.peer, error=str(error))
        self._flood_meter.charge(costs.BROKEN)
        self.end(ErrorCodes(error.error_code))

    def _on(self, event: events.Event) -> None:
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, event)

    def _on_settings(self, event: events.RemoteSettingsChanged) -> None:
        self.begun = True
        self._moved |= SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings

    def _on_pong(self, event: events.PingAckReceived) -> None:
        if event.ping_data == _RETIRING:
            self.turn_away()

    def _on_goaway(self, _event: events.ConnectionTerminated) -> None:
        self._inbox.refusing = True


_HANDLERS: Final[dict[type[events.Event], Callable[[Session, Any], None]]] = {
    events.RemoteSettingsChanged: Session._on_settings,  # noqa: SLF001  # a table of its own
    events.PingAckReceived: Session._on_pong,  # noqa: SLF001
    events.ConnectionTerminated: Session._on_goaway,  # noqa: SLF001
}
