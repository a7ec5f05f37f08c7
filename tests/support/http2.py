"""An HTTP/2 client that says exactly what it is told to, for tests of a server's manners.

It reads only when asked, gives room only when asked, and can send bytes that are no HTTP/2 at all.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

_SECONDS: Final = 10.0
GRPC: Final = {"content-type": "application/grpc", "te": "trailers"}


class Heard:
    """What came on a stream."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.trailers: dict[str, str] = {}
        self.data = bytearray()
        self.frames: list[int] = []  # sizes of DATA frames
        self.ended = False
        self.reset: int | None = None  # the error code

    @property
    def status(self) -> str | None:
        """The gRPC status's number."""
        return self.trailers.get("grpc-status") or self.headers.get("grpc-status")

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.ended or self.reset is not None

    def messages(self) -> list[bytes]:
        """The whole gRPC messages so far."""
        found, at = [], 0
        while len(self.data) >= at + 5:
            end = at + 5 + int.from_bytes(self.data[at + 1 : at + 5])
            if len(self.data) < end:
                break
            found.append(bytes(self.data[at + 5 : end]))
            at = end
        return found


class _Wire(H2Connection):
    """A client's state machine, which lives on after a GOAWAY: open streams are served to their
    end."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[events.Event]]:
        event = events.ConnectionTerminated()
        event.last_stream_id = frame.last_stream_id
        event.error_code = frame.error_code
        return [], [event]


class RawClient:
    """`async with RawClient(port, window=...) as client:`; `window` is what each stream may get
    unasked, in bytes. `goaway` is the error code of the server's last GOAWAY."""

    def __init__(self, port: int, *, window: int = 65535, max_frame: int = 16384) -> None:
        self._port = port
        self.wire = _Wire(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.wire.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_FRAME_SIZE: max_frame,
                SettingCodes.ENABLE_PUSH: 0,
            },
        )
        self.wire.max_inbound_frame_size = max_frame
        self.heard: defaultdict[int, Heard] = defaultdict(Heard)
        self.goaway: int | None = None
        self.goaway_last: list[int] = []
        self.settings: dict[int, int] = {}
        self.pings = 0
        self.pongs = 0
        self.closed = False

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.wire.initiate_connection()
        self.send()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.transport.abort()

    def send(self, raw: bytes = b"") -> None:
        """Sends what the state machine has to say, and then `raw`."""
        self._writer.write(self.wire.data_to_send() + raw)

    def open(
        self,
        path: str,
        message: bytes | None = None,
        *,
        end: bool = True,
        headers: dict[str, str] | None = None,
    ) -> int:
        """Begins a call; its stream. Without a message only the headers are sent. An empty header
        is left out."""
        stream_id = self.wire.get_next_available_stream_id()
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "test",
            **GRPC,
            **(headers or {}),
        }
        pairs = [(name, value) for name, value in fields.items() if value]
        self.wire.send_headers(stream_id, pairs, end_stream=end and message is None)
        if message is not None:
            self.wire.send_data(stream_id, framed(message), end_stream=end)
        self.send()
        return stream_id

    def give(self, size: int, stream_id: int | None = None) -> None:
        """Makes room: on a stream, or on the connection."""
        self.wire.increment_flow_control_window(size, stream_id)
        self.send()

    async def pong(self) -> None:
        """Reads until the server has taken in all that was sent."""
        before = self.pongs
        self.wire.ping(b"12345678")
        self.send()
        await self.until(lambda: self.pongs > before, "the answer to a PING")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Reads until `condition()` holds. Raises AssertionError when the server closes or is
        silent before."""
        async with asyncio.timeout(_SECONDS):
            while not condition():
                if self.closed or not await self._read():
                    raise AssertionError(f"the connection ended before {what}")

    async def end(self) -> None:
        """Reads until the server closes the connection."""
        async with asyncio.timeout(_SECONDS):
            while await self._read():
                pass

    async def result(self, stream_id: int) -> Heard:
        """Reads until a stream is over."""
        heard = self.heard[stream_id]
        await self.until(lambda: heard.over, f"the end of stream {stream_id}")
        return heard

    async def _read(self) -> bool:
        try:
            data = await self._reader.read(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.wire.receive_data(data):
            self._take(event)
        self.send()
        return True

    def _take(self, event: events.Event) -> None:
        match event:
            case events.ResponseReceived():
                self.heard[event.stream_id].headers = _text(event.headers)
            case events.TrailersReceived():
                self.heard[event.stream_id].trailers = _text(event.headers)
            case events.DataReceived():
                self.heard[event.stream_id].data += event.data
                self.heard[event.stream_id].frames.append(len(event.data))
            case events.StreamEnded():
                self.heard[event.stream_id].ended = True
            case events.StreamReset():
                self.heard[event.stream_id].reset = int(event.error_code)
            case events.ConnectionTerminated():
                self.goaway = int(event.error_code or 0)
                self.goaway_last.append(event.last_stream_id or 0)
            case events.RemoteSettingsChanged():
                self.settings.update(
                    {int(code): change.new_value for code, change in event.changed_settings.items()}
                )
            case events.PingReceived():
                self.pings += 1  # which the state machine answers
            case events.PingAckReceived():
                self.pongs += 1
            case _:
                pass


def framed(message: bytes, *, compressed: int = 0) -> bytes:
    """A gRPC message on the wire."""
    return bytes([compressed]) + len(message).to_bytes(4) + message


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """An HTTP/2 frame, right or wrong."""
    head = len(payload).to_bytes(3) + bytes([kind, flags]) + stream_id.to_bytes(4)
    return head + payload


def _text(headers: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers}  # type: ignore[attr-defined]  # pairs
