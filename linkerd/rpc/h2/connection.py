"""The socket's side of a session: reads into it, gives it turns, writes what it says."""

import asyncio
import contextlib
import socket
import time
from dataclasses import dataclass, field
from typing import Final, cast

from linkerd.rpc.h2 import limits
from linkerd.rpc.h2.admission import Admission, Peer
from linkerd.rpc.h2.budget import Allowance
from linkerd.rpc.h2.life import Life
from linkerd.rpc.h2.receiving import Holdings
from linkerd.rpc.h2.session import Session
from linkerd.rpc.h2.streams import Handler
from linkerd.rpc.h2.timers import Timers
from linkerd.rpc.h2.turns import Turns
from linkerd.rpc.metrics import ConnectionMetrics
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.logs import get_logger

_LEAVE_AT_ONCE: Final = 0.001  # seconds for the calls of a connection that is lost
_log = get_logger(__name__)


@dataclass(slots=True)
class Shared:
    """What the connections of a server share. One buffer does for all reads, as what is read is
    kept elsewhere before the next read begins."""

    routes: dict[bytes, Handler]
    options: ServerOptions
    metrics: ConnectionMetrics
    timers: Timers
    turns: Turns
    admission: Admission
    held: Holdings
    connections: "set[Connection]" = field(default_factory=set)
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(limits.READ_BYTES)))
    stopping: bool = False


class Connection(asyncio.BufferedProtocol):
    """The protocol of one connection. A `Member` of `Turns`.

    Its session begins with its first turn: a crowd that comes at once must not hold up the loop.
    """

    __slots__ = (
        "_allowance",
        "_arrived",
        "_dropped",
        "_ended",
        "_full",
        "_gone",
        "_held_back",
        "_life",
        "_peer",
        "_session",
        "_shared",
        "_transport",
        "delayed",
        "lost",
        "slowed",
        "unread",
        "unsent",
        "waiting",
    )

    def __init__(self, shared: Shared) -> None:
        self.waiting = self.delayed = False
        self.unread = self.unsent = self.slowed = False
        self.lost = asyncio.get_running_loop().create_future()
        self._shared = shared
        self._arrived = bytearray()
        self._session: Session | None = None
        self._life: Life | None = None
        self._allowance: Allowance | None = None
        self._held_back = False  # nothing is read at the moment
        self._full = False  # nothing is written at the moment
        self._ended = False  # the last words are written
        self._gone = False  # the socket is closed
        self._dropped = 0  # bytes since then

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer is there."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop has its own
        shared = self._shared
        self._peer = Peer.of(transport)
        self._allowance = (
            None if shared.stopping else shared.admission.admit(self._peer, len(shared.connections))
        )
        if self._allowance is None:
            transport.abort()
            return
        # asyncio does so only for sockets whose protocol number is spelt out.
        with contextlib.suppress(OSError):  # it may be gone already
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=limits.WRITE_BYTES)
        shared.connections.add(self)
        shared.turns.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to."""
        del sizehint
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Keeps what was read. More than a little of it is worked off first. What comes after the
        last words is dropped, as long as it is not much."""
        if self._ended:
            self._dropped += nbytes
            if self._dropped > limits.MAX_UNREAD_BYTES:
                self._hold_back()
            return
        self._arrived += self._shared.buffer[:nbytes]
        if len(self._arrived) >= limits.READ_BYTES // 2:
            self._hold_back()
        self._shared.turns.add(self)

    def eof_received(self) -> bool:
        """The peer has gone, or at least says nothing any more."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """All calls are over, and what they and the connection held is let go: at once, or turn by
        turn if it is much."""
        self._ended = self._gone = True
        self.unread = False
        life, self._life = self._life, None
        if life is not None:
            life.close()
        if self._session is not None:
            self._session.close()
        self._allowance = None
        self._arrived.clear()
        self._leave(time.monotonic() + _LEAVE_AT_ONCE)
        if self.unsent:  # calls are still to be ended
            self._shared.turns.add(self)

    def pause_writing(self) -> None:
        """The kernel's buffer and ours are full."""
        self._full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._full = False
        self._touch()

    # What the scheduler calls.

    def turn(self, until: float, calls: int) -> int:
        if self._ended:
            self._leave(until)
            return 0
        try:
            session = self._begin() if self._session is None else self._session
            return self._turn(session, until, calls)
        except Exception as error:  # noqa: BLE001  # of this connection alone
            _log.error("a connection failed", peer=self._peer.name, exc_info=error)
            self.unread = self.unsent = False
            self._transport.abort()
            return 0

    def _begin(self) -> Session:
        shared = self._shared
        assert self._allowance is not None  # noqa: S101  # it was admitted
        self._session = session = Session(
            shared.routes,
            shared.options,
            self._peer.name,
            allowance=self._allowance,
            held=shared.held,
            metrics=shared.metrics,
            timers=shared.timers,
            touch=self._touch,
        )
        self._life = Life(session, shared.options, shared.timers, self.abort)
        return session

    def _turn(self, session: Session, until: float, calls: int) -> int:
        begun = 0
        if self._arrived or self.unread:
            begun = self._read(session, until, calls)
        transport = self._transport
        room = 0 if self._full else limits.WRITE_BYTES - transport.get_write_buffer_size()
        parts = session.send(room, until)
        if parts:
            transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if self._full and transport.get_write_buffer_size() > limits.MAX_UNREAD_BYTES:
            transport.abort()
        elif session.over:
            self._finish()
        elif self.unread:
            self._hold_back()
        elif self._held_back:
            self._held_back = False
            transport.resume_reading()
        if not self._ended:
            self.unsent = not self._full and session.unsent
        return begun

    def _read(self, session: Session, until: float, calls: int) -> int:
        """Works off what has come."""
        if self._arrived:
            if self._life is not None:
                self._life.heard()
            session.receive(self._arrived)
            self._arrived.clear()
        begun = session.step(_half(until) if session.unsent else until, calls)
        self.unread, self.slowed = session.unread, session.slowed
        return begun

    # What the server asks for.

    def turn_away(self) -> None:
        """Lets the client finish what it has begun; a connection that never began is dropped."""
        if self._session is not None:
            self._session.turn_away()
        else:
            self.abort()

    def cut(self, why: str) -> None:
        if self._session is not None:
            self._session.cut(why)

    def abort(self) -> None:
        """Drops the connection, and what is unsent."""
        self._transport.abort()

    # The rest is ours.

    def _leave(self, until: float) -> None:
        """Ends calls of a connection that is over, and then what is left of the connection."""
        session = self._session
        if session is not None:
            session.leave(until)
            self.unsent = session.streams > 0
        if self._gone and (session is None or not session.streams):
            self._session = None
            self._shared.connections.discard(self)
            if not self.lost.done():
                self.lost.set_result(None)

    def _touch(self) -> None:
        if not self._ended and not self.waiting:
            self._shared.turns.add(self)

    def _hold_back(self) -> None:
        if not self._held_back:
            self._held_back = True
            self._transport.pause_reading()

    def _finish(self) -> None:
        """Listens to nothing more, and waits a little for the peer to close."""
        self._ended = True
        self.unread = False
        self.unsent = self._session is not None and self._session.streams > 0
        if self._life is not None:
            self._life.linger()
        if self._held_back:  # to hear the peer close
            self._held_back = False
            self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except OSError:  # it is gone already
            self.abort()


def _half(until: float) -> float:
    """The time that leaves half of what is left until then: what is read must not keep a
    connection from sending."""
    return (time.monotonic() + until) / 2
