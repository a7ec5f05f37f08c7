"""Sends a kind of attack over one or more connections, a thread each, in a process of its own so
that it shares no interpreter with the server or the bystander."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Final

from h2.errors import ErrorCodes

from tests.support.attacks import frames, priority
from tests.support.attacks.kinds import KINDS, Kind
from tests.support.attacks.peer import OverError, Peer

_INTERVAL: Final = 0.1  # seconds between two calls of a bystander that shares the connection
_HELLO: Final = frames.PREFACE + frames.settings() + frames.window_update(0, 1 << 29)
_LAST_WORD: Final = 0.05  # seconds for the server to end a connection that has said enough
_PAUSE: Final = 0.002  # seconds from one connection's end to the next one


@dataclass(slots=True)
class Attacked:
    """What the attacker saw. `ends`: how connections ended, by name of the GOAWAY's code, `closed`
    without one, `refused` where none came to be, and `open` for those that stood to the end."""

    ends: Counter[str] = field(default_factory=Counter)
    heard: Counter[int] = field(default_factory=Counter)
    """Frames of the server, by type."""
    sent_bytes: int = 0
    updates_ms: list[float] = field(default_factory=list)
    """How long changes waited that a stream on a flooding connection was to be told of, while the
    connection stood."""
    shared_ms: list[float] = field(default_factory=list)
    """How long calls waited that shared a flooding connection, for an answer or the end of time."""
    shared_lost: int = 0
    """Of them those whose connection the server ended."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to send: where to, over how many connections at once, for how long at most, how many
    bytes a connection at most (0: no limit), whether on new ones when they end (`again`), whether a
    bystander shares them (`shared`), and how much the kernel may hold back (`send_buffer`, as
    `Peer`)."""

    kind: str
    port: int = 0
    connections: int = 1
    seconds: float = 1.0
    most_bytes: int = 0
    again: bool = False
    shared: bool = False
    send_buffer: int = 0
    niceness: int = 0


def run(says: Connection, order: Order) -> None:
    """The process: does as ordered and says what it saw."""
    priority.take(order.niceness)
    says.send(attack(order))


def attack(order: Order) -> Attacked:
    """Does as ordered, until all connections have ended or time is up."""
    seen = [Attacked() for _ in range(order.connections)]
    deadline = time.monotonic() + order.seconds
    threads = [
        threading.Thread(target=_one_after_another, args=(order, deadline, each)) for each in seen
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = Attacked()
    for each in seen:
        total.ends += each.ends
        total.heard += each.heard
        total.sent_bytes += each.sent_bytes
        total.updates_ms += each.updates_ms
        total.shared_ms += each.shared_ms
        total.shared_lost += each.shared_lost
    return total


def _one_after_another(order: Order, deadline: float, seen: Attacked) -> None:
    kind = KINDS[order.kind]
    while True:
        _one(order, kind, deadline, seen)
        if not order.again or time.monotonic() >= deadline:
            return
        time.sleep(_PAUSE)


def _one(order: Order, kind: Kind, deadline: float, seen: Attacked) -> None:
    """One connection, to its end."""
    try:
        peer = Peer(order.port, deadline, reads=kind.reads, send_buffer=order.send_buffer)
    except OverError:
        seen.ends["refused"] += 1
        return
    sharer = None
    try:
        if kind.preface:
            peer.send(_HELLO)
        if order.shared:
            sharer = _Sharer(peer)
        for chunk in kind.send(peer):
            peer.send(chunk)
            if 0 < order.most_bytes <= peer.sent_bytes:
                peer.rest(_LAST_WORD)
                break
            if sharer is not None:
                sharer.next()
        else:
            if not kind.leaves:
                peer.until_over()
    except OverError:
        pass
    end = _end(peer)
    seen.ends[end] += 1
    peer.close()
    seen.heard += peer.heard
    seen.sent_bytes += peer.sent_bytes
    if sharer is not None:
        sharer.count(seen, end)


def _end(peer: Peer) -> str:
    if peer.goaway is not None:
        return ErrorCodes(peer.goaway).name
    return "closed" if peer.closed else "open"


class _Sharer:
    """Who shares a flooding connection, as behind a proxy: follows a stream, and makes calls
    between the flood's chunks."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._begun: dict[int, float] = {}
        self._due = time.monotonic() + _INTERVAL
        self._stream = peer.ids.next()
        peer.follow(self._stream)
        peer.send(frames.call(self._stream, frames.GET_BLOCK, frames.TICKS))
        peer.until_heard(frames.DATA, 1)

    def next(self) -> None:
        """Makes those calls that are due. One waits since it was due, not since there was room to
        send it."""
        while self._due <= time.monotonic():
            stream = self._peer.ids.next()
            self._peer.listen_for(stream)
            self._begun[stream] = self._due
            self._due += _INTERVAL
            self._peer.send(frames.call(stream))

    def count(self, seen: Attacked, end: str) -> None:
        """What became of it, when the connection ended in this way."""
        now = time.monotonic()
        for stream, begun in self._begun.items():
            ended = self._peer.ended.get(stream)
            if ended is None and end != "open":
                seen.shared_lost += 1
            else:
                seen.shared_ms.append(((ended or now) - begun) * 1e3)
        told = [(at, int.from_bytes(data[5:]) / 1e9) for at, data in self._peer.told[self._stream]]
        seen.updates_ms += [(at - due) * 1e3 for at, due in told[1:]]
        if told and (untold := now - told[-1][1] - frames.TICK_SECONDS) > 0:
            seen.updates_ms.append(untold * 1e3)
