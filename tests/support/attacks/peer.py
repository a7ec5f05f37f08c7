"""An attacker's side of one connection: a thread hears what the server says, the caller sends.

Plain sockets, because a library would refuse to say most of what attackers say.
"""

import contextlib
import socket
import threading
import time
from collections import Counter, defaultdict
from typing import Final

from tests.support.attacks import frames
from tests.support.attacks.frames import FrameReader, Ids

_READ_BYTES: Final = 256 << 10
_WINDOW: Final = 65535
_POLL_SECONDS: Final = 0.05  # how late a thread notices that time is up


class OverError(Exception):
    """The connection or the attack's time is over."""


class Peer:
    """A connection to 127.0.0.1:`port` for at most until `deadline` (monotonic seconds). Raises
    OverError when it cannot connect. With `reads` false it never reads what the server says. The
    kernel keeps `send_buffer` bytes for it; 0: as many as it likes, megabytes on loopback."""

    def __init__(
        self, port: int, deadline: float, *, reads: bool = True, send_buffer: int = 0
    ) -> None:
        self.ids = Ids()
        self.goaway: int | None = None
        self.closed = False
        self.connected = True
        self.heard: Counter[int] = Counter()  # frames by type
        self.ended: dict[int, float] = {}  # when awaited streams ended, monotonic seconds
        self.told: dict[int, list[tuple[float, bytes]]] = {}  # when DATA of followed streams came
        self.sent_bytes = 0
        self._deadline = deadline
        self._awaited: set[int] = set()
        self._initial_window = _WINDOW
        self._windows: defaultdict[int, int] = defaultdict(int)  # what WINDOW_UPDATEs added
        self._changed = threading.Condition()
        self._frames = FrameReader()
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=1)
        except OSError as error:
            raise OverError from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if send_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self._socket.settimeout(_POLL_SECONDS)
        self._reader = threading.Thread(target=self._read, daemon=True)
        if reads:
            self._reader.start()

    @property
    def over(self) -> bool:
        """Whether the server has closed, or time is up."""
        return self.closed or time.monotonic() >= self._deadline

    def send(self, what: bytes) -> None:
        """Sends all of it, however long the server takes. Raises OverError."""
        view = memoryview(what)
        while view:
            if self.over:
                raise OverError
            try:
                sent = self._socket.send(view)
            except TimeoutError:
                continue
            except OSError as error:
                self._wait_closed()
                raise OverError from error
            self.sent_bytes += sent
            view = view[sent:]

    def room(self, stream: int, size: int) -> None:
        """Waits until the server lets DATA of so many bytes go on a stream (0: only looks at the
        connection's room), and takes that room. Raises OverError."""
        with self._changed:
            while self._room(stream) < size:
                self._changed.wait(_POLL_SECONDS)
                if self.over:
                    raise OverError
            self._windows[0] -= size
            if stream:
                self._windows[stream] -= size

    def _room(self, stream: int) -> int:
        all_streams = self._windows[0] + _WINDOW
        if not stream:
            return all_streams
        return min(all_streams, self._windows[stream] + self._initial_window)

    def forget(self, stream: int) -> None:
        """Nothing more is sent on it."""
        with self._changed:
            self._windows.pop(stream, None)

    def until_heard(self, kind: int, count: int) -> None:
        """Waits until the server has sent so many frames of a type. Raises OverError."""
        with self._changed:
            while self.heard[kind] < count:
                self._changed.wait(_POLL_SECONDS)
                if self.over:
                    raise OverError

    def until_over(self) -> None:
        """Says nothing more and waits for the end. Raises OverError, which it is."""
        self.rest(self._deadline - time.monotonic())
        raise OverError

    def listen_for(self, stream: int) -> None:
        """From now on `ended` will say when the server ends that stream."""
        self._awaited.add(stream)

    def follow(self, stream: int) -> None:
        """From now on `told` will have that stream's DATA."""
        self.told[stream] = []

    def rest(self, seconds: float) -> None:
        """Says nothing for a while. Raises OverError."""
        until = min(self._deadline, time.monotonic() + seconds)
        while not self.over and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _POLL_SECONDS))
        if self.over:
            raise OverError

    def half_close(self) -> None:
        """Says that nothing more will come. Raises OverError."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise OverError from error

    def close(self) -> None:
        """Hangs up."""
        self.closed = True
        with contextlib.suppress(OSError):  # the server has
            self._socket.shutdown(socket.SHUT_RDWR)  # so that the reader notices
        if self._reader.is_alive():
            self._reader.join()
        self._socket.close()

    def _wait_closed(self) -> None:
        """The server has hung up; lets the reader hear its last words."""
        if self._reader.is_alive():
            self._reader.join(1)
        self.closed = True

    def _read(self) -> None:
        while not self.closed:
            try:
                data = self._socket.recv(_READ_BYTES)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            with self._changed:
                if data:
                    for heard in self._frames.feed(data):
                        self.heard[heard.kind] += 1
                        self._take(*heard)
                else:
                    self.closed = True
                self._changed.notify_all()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        match kind:
            case frames.WINDOW_UPDATE:
                self._windows[stream] += int.from_bytes(payload)
            case frames.GOAWAY:
                self.goaway = int.from_bytes(payload[4:8])
            case frames.SETTINGS:
                for at in range(0, len(payload), 6):
                    if int.from_bytes(payload[at : at + 2]) == frames.INITIAL_WINDOW_SIZE:
                        self._initial_window = int.from_bytes(payload[at + 2 : at + 6])
            case frames.HEADERS | frames.DATA | frames.RST_STREAM:
                if kind == frames.DATA and stream in self.told:
                    self.told[stream].append((time.monotonic(), payload))
                ends = kind == frames.RST_STREAM or flags & frames.END_STREAM
                if ends and stream in self._awaited:
                    self._awaited.discard(stream)
                    self.ended[stream] = time.monotonic()
            case _:
                pass
