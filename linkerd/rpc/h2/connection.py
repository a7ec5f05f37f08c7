"""One connection: its beginning, its timers, its end, and what is said about it as a whole.

What the peer does wrong costs it the stream or, as HTTP/2 says, the connection, and nobody else
anything.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from h2 import events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from linkerd.rpc.h2.inbox import Inbox
from linkerd.rpc.h2.limits import LINGER_SECONDS, PREFACE_SECONDS, Budget
from linkerd.rpc.h2.outbox import Outbox
from linkerd.rpc.h2.streams import Behind, Stream
from linkerd.rpc.h2.wire import LAST_STREAM_ID, Wire
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.logs import get_logger

_READ_BYTES: Final = 64 << 10  # a read's share of a turn, too
_RETIRING: Final = b"retiring"
_ALIVE: Final = b"alive?  "
_SETTINGS_COST: Final = 10
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
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._heard = False
        self._over = False  # nothing is read any more
        self.lost = self._loop.create_future()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer is there; says our settings."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop has its own
        # asyncio does so only for sockets whose protocol number is spelt out.
        with contextlib.suppress(OSError):  # it may be gone already
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        options = self._shared.options
        self._peer = _address(transport.get_extra_info("peername"))
        self._wire = Wire(options.max_concurrent_streams)
        self._budget = Budget(self._loop.time())
        self._outbox = Outbox(self._wire, transport, self._budget, self._left)
        self._inbox = Inbox(
            self._shared.routes, options, self._peer, self._wire, self._outbox, self._charge
        )
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
                self._take(event)
        except ProtocolError as error:
            _log.debug("a client breaks the protocol", peer=self._peer, error=str(error))
            self._finish(LINGER_SECONDS)
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
        self._inbox.abandon()
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
        if not self._inbox.refusing and not self._over:
            self._inbox.refusing = True
            self._wire.goaway(self._wire.highest_inbound_stream_id)
            self._outbox.touch()
            self._end_if_empty()

    def cut(self, why: str) -> None:
        """Ends all calls with UNAVAILABLE, and so the connection."""
        self.turn_away()
        self._inbox.cut(why)
        self._end_if_empty()

    def abort(self) -> None:
        """Drops the connection, and what is unsent."""
        self._transport.abort()

    # Its own life.

    def _take(self, event: events.Event) -> None:
        handle = _HANDLERS.get(type(event))
        if self._over:  # by the event before
            return
        if handle is None:
            self._inbox.take(event)
        else:
            handle(self, event)

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
        self._inbox.sweep()
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
        if self._inbox.refusing and not len(self._inbox) and not self._over:
            self._finish(self._shared.options.keepalive_timeout.total_seconds())

    def _break(self, code: ErrorCodes) -> None:
        """The peer is told why, and the connection ends."""
        self._wire.close_connection(code)
        self._finish(LINGER_SECONDS)

    def _finish(self, linger: float) -> None:
        """Sends what there is, listens to nothing more, and waits `linger` seconds for the peer to
        close: to close with unread bytes would destroy our last words on their way."""
        if self._over:
            return
        self._over = True
        self._outbox.flush()
        self._outbox.close()
        self._inbox.abandon()
        self._after("linger", linger, self.abort)
        try:
            self._transport.write_eof()
        except OSError:  # it is gone already
            self.abort()

    def _charge(self, cost: int) -> None:
        """Lets the peer pay for a frame."""
        if not self._budget.spend(cost, self._loop.time()) and not self._over:
            _log.warning("a client floods its connection, which ends", peer=self._peer)
            self._break(ErrorCodes.ENHANCE_YOUR_CALM)

    def _left(self, stream: Stream) -> None:
        """A stream is over."""
        self._inbox.left(stream)
        if self._inbox.refusing and not len(self._inbox):
            self._loop.call_soon(self._end_if_empty)  # not within a flush

    # What the peer says about the connection.

    def _on_settings(self, event: events.RemoteSettingsChanged) -> None:
        self._quiet("preface")
        self._charge(_SETTINGS_COST + len(self._inbox) // 100)
        if SettingCodes.INITIAL_WINDOW_SIZE in event.changed_settings:
            self._inbox.room_for_all()

    def _on_pong(self, event: events.PingAckReceived) -> None:
        if event.ping_data == _RETIRING:
            self.turn_away()

    def _on_cost(self, _event: events.Event) -> None:
        self._charge(1)

    def _on_goaway(self, _event: events.ConnectionTerminated) -> None:
        self._inbox.refusing = True
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
    events.RemoteSettingsChanged: Connection._on_settings,  # noqa: SLF001  # a table of its own
    events.PingReceived: Connection._on_cost,  # noqa: SLF001
    events.PingAckReceived: Connection._on_pong,  # noqa: SLF001
    events.PriorityUpdated: Connection._on_cost,  # noqa: SLF001
    events.UnknownFrameReceived: Connection._on_cost,  # noqa: SLF001
    events.ConnectionTerminated: Connection._on_goaway,  # noqa: SLF001
}
