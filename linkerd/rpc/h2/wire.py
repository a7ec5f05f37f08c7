"""Our side of the `h2` library: a connection's state machine, bent where a server needs it.

Frames are taken one at a time (`next_frame`, `take`), so that each can be charged before it does
anything and a turn may end between two. All frames that we send but three come from the library.
DATA frames are ours, because its `send_data` takes 12 us a frame and copies the payload, as much as
a whole turn of a stream may cost: `outbox` packs the headers below and keeps the books that the
library keeps. So are the HEADERS that begin an answer. GOAWAY is ours, because the library's
`close_connection` also refuses every frame that comes afterwards, those of calls in progress too.

A stream's `outbound_flow_control_window` counts from the peer's INITIAL_WINDOW_SIZE, not from
zero: what there is room for is `base_window` more. So a change of that setting costs the same
however many streams are open.
"""

from collections import deque
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, cast

from h2.config import H2Configuration
from h2.connection import AllowedStreamIDs, ConnectionInputs, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    Event,
    RequestReceived,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import (
    DenialOfServiceError,
    FlowControlError,
    ProtocolError,
    StreamClosedError,
    StreamIDTooLowError,
)
from h2.settings import SettingCodes
from h2.stream import H2Stream, StreamInputs
from h2.utilities import HeaderValidationFlags, validate_headers
from h2.windows import LARGEST_FLOW_CONTROL_WINDOW
from hpack import HPACKError
from hyperframe.exceptions import HyperframeError
from hyperframe.frame import (
    Frame,
    GoAwayFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from linkerd.rpc.h2.blocks import BoundedDecoder, FrameBuffer, StatelessEncoder
from linkerd.rpc.h2.headers import RESPONSE
from linkerd.rpc.h2.limits import MAX_HEADER_BYTES
from linkerd.rpc.h2.settings import SmallSettings

LAST_STREAM_ID: Final = 2**31 - 1

PACK_FRAME: Final = Struct(">BHHL").pack
"""Of a frame: its length's high 8 and low 16 bits, type and flags (0: DATA), the stream's id."""

_HEADERS: Final = 0x0104  # and that they end with the frame

PACK_PREFIX: Final = Struct(">BL").pack
"""Of a gRPC message: the compressed flag and the length."""

PACK_MESSAGE: Final = Struct(">BHHLBL").pack
"""Both, for a message that fits a frame."""

_CONFIG: Final = H2Configuration(
    client_side=False,
    header_encoding=None,
    validate_outbound_headers=False,  # ours, and lower case
    normalize_outbound_headers=False,
    validate_inbound_headers=False,  # `_validate` does, the same block once
    normalize_inbound_headers=False,  # that is about cookies
)
_REQUEST: Final = HeaderValidationFlags(False, False, False, False)
_TRAILERS: Final = _REQUEST._replace(is_trailer=True)
_KNOWN_SETTINGS: Final = frozenset(SettingCodes)


class _CompressionError(ProtocolError):
    """Headers that cannot be decompressed."""

    error_code = ErrorCodes.COMPRESSION_ERROR


class Wire(H2Connection):
    """The state machine of one connection. `base_window` is the peer's INITIAL_WINDOW_SIZE;
    `settled` says that it has acknowledged our SETTINGS."""

    DEFAULT_MAX_HEADER_LIST_SIZE = MAX_HEADER_BYTES
    MAX_CLOSED_STREAMS = 1024  # to judge late frames of; the library's own limit takes megabytes

    def __init__(self, max_concurrent_streams: int) -> None:
        super().__init__(_CONFIG)
        self.encoder = StatelessEncoder()
        self.decoder: BoundedDecoder = BoundedDecoder(MAX_HEADER_BYTES)
        self.incoming_buffer: FrameBuffer = FrameBuffer(self.max_inbound_frame_size)
        self.remote_settings = SmallSettings(client=True)
        self.local_settings = SmallSettings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: max_concurrent_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
            },
        )
        self._frame_dispatch_table = {}  # `_TAKERS` does for all
        self.base_window = self.remote_settings.initial_window_size
        self.settled = False
        self._most_window = 0  # of any stream, ever
        self._pings: list[bytes] = []

    @property
    def continuations(self) -> int:
        """How many CONTINUATIONs the latest header block had."""
        return self.incoming_buffer.continuations

    @property
    def open_inbound_streams(self) -> int:
        """None, to the library: it would count all streams at each new one, and end the connection
        at the first beyond the limit. We count, and refuse just that one."""
        return 0

    def next_frame(self) -> Frame | None:
        """The next whole frame of what has come. Raises ProtocolError."""
        try:
            frame = next(self.incoming_buffer, None)
        except HyperframeError as error:
            raise ProtocolError(str(error)) from error
        if frame is None:
            self.incoming_buffer.check_begun()
        return frame

    def take(self, frame: Frame) -> list[Event]:
        """Acts on it. Raises ProtocolError.

        As the library's `_receive_frame`, which also describes each frame in text that nobody
        reads, at a tenth of a call's cost. A frame on a stream that was reset may have crossed our
        word of that, and costs its stream alone.
        """
        frames: list[Frame]
        events: list[Event]
        try:
            frames, events = _TAKERS[type(frame)](self, frame)
        except (StreamClosedError, StreamIDTooLowError) as error:
            if not self._stream_is_closed_by_reset(error.stream_id):
                if self._stream_is_closed_by_end(error.stream_id):
                    raise StreamClosedError(error.stream_id) from error
                raise
            code = ErrorCodes.STREAM_CLOSED
            frames = [RstStreamFrame(error.stream_id, error_code=code)]
            events = getattr(error, "_events", [])
        self._prepare_for_sending(frames)
        return events

    def widen(self, stream: H2Stream | None, increment: int) -> bool:
        """The peer makes room on an open stream; None: on the connection. False when that is more
        than it may, and nothing has been done.

        As the library does for a WINDOW_UPDATE, which also asks two state machines in which it
        changes nothing."""
        if stream is None:
            window = self.outbound_flow_control_window + increment
            if window > LARGEST_FLOW_CONTROL_WINDOW:
                return False
            self.outbound_flow_control_window = window
            return True
        window = stream.outbound_flow_control_window + increment
        if window > self._most_window:
            if self.base_window + window > LARGEST_FLOW_CONTROL_WINDOW:
                return False
            self._most_window = window
        stream.outbound_flow_control_window = window
        return True

    def data_to_send(self, amount: int | None = None) -> bytes:
        """As the library's, which makes a new buffer each time."""
        return super().data_to_send(amount) if self._data_to_send else b""

    def room(self, stream: H2Stream) -> int:
        """How many bytes the peer takes on `stream` at the moment, as far as that is concerned."""
        return self.base_window + stream.outbound_flow_control_window

    def ask(self, data: bytes) -> None:
        """Sends a PING, whose answer is no surprise then."""
        self._pings.append(data)
        self.ping(data)

    def awaits(self, data: bytes) -> bool:
        """Whether the answer to such a PING is to come. Asked once."""
        if data not in self._pings:
            return False
        self._pings.remove(data)
        return True

    def answer(self, stream: H2Stream) -> bytes:
        """The frame that begins an answer, whose headers are always the same. As the library's
        `send_headers`, at a tenth of the cost."""
        stream.state_machine.process_input(StreamInputs.SEND_HEADERS)
        block = self.encoder.encode(RESPONSE)
        return PACK_FRAME(0, len(block), _HEADERS, stream.stream_id) + block

    def forget(self, stream: H2Stream) -> None:
        """A closed stream is over; the library itself notices only when it counts."""
        if self.streams.pop(stream.stream_id, None) is not None:
            self._closed_streams[stream.stream_id] = stream.closed_by

    def goaway(self, last_stream_id: int, code: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Says that no stream after `last_stream_id` will be served; the others go on."""
        self._prepare_for_sending([GoAwayFrame(0, last_stream_id=last_stream_id, error_code=code)])

    def close(self) -> None:
        """Nothing is taken or sent any more."""
        self.streams.clear()

    def _begin_new_stream(self, stream_id: int, allowed_ids: AllowedStreamIDs) -> H2Stream:
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        stream.outbound_flow_control_window = 0
        return stream

    def _receive_window_update_frame(
        self, frame: WindowUpdateFrame
    ) -> tuple[list[Frame], list[Event]]:
        """The library knows a stream's window only from its base on."""
        frames, events = super()._receive_window_update_frame(frame)
        stream = self.streams.get(frame.stream_id)
        if stream is None or stream.closed:
            return frames, events
        self._most_window = max(self._most_window, stream.outbound_flow_control_window)
        if self.room(stream) <= LARGEST_FLOW_CONTROL_WINDOW:
            return frames, events
        code = ErrorCodes.FLOW_CONTROL_ERROR
        reset = StreamReset(stream_id=frame.stream_id, error_code=code, remote_reset=False)
        return stream.reset_stream(code), [reset]

    def _receive_settings_frame(self, frame: SettingsFrame) -> tuple[list[Frame], list[Event]]:
        """Settings that nobody knows would be kept for ever."""
        if "ACK" in frame.flags:
            self.settled = True
        else:
            known = frame.settings.keys() & _KNOWN_SETTINGS
            frame.settings = {code: frame.settings[code] for code in known}
        return super()._receive_settings_frame(frame)

    def _acknowledge_settings(self) -> list[Frame]:
        """As the library's, which would visit all streams."""
        self.state_machine.process_input(ConnectionInputs.SEND_SETTINGS)
        self.remote_settings.acknowledge()
        self.max_outbound_frame_size = self.remote_settings.max_frame_size
        self.base_window = self.remote_settings.initial_window_size
        if self.base_window + self._most_window > LARGEST_FLOW_CONTROL_WINDOW:
            self._check_windows()
        acknowledgement = SettingsFrame(0)
        acknowledgement.flags.add("ACK")
        return [acknowledgement]

    def _check_windows(self) -> None:
        windows = (stream.outbound_flow_control_window for stream in self.streams.values())
        self._most_window = max(windows, default=0)
        if self.base_window + self._most_window > LARGEST_FLOW_CONTROL_WINDOW:
            raise FlowControlError("INITIAL_WINDOW_SIZE: a stream's window would be too large")

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Event]]:
        """The library has the wrong code for what cannot be decompressed."""
        try:
            frames, events = super()._receive_headers_frame(frame)
        except DenialOfServiceError:
            raise
        except ProtocolError as error:
            if isinstance(error.__cause__, HPACKError):
                raise _CompressionError(str(error)) from error
            raise
        self._validate(events[0])
        return frames, events

    def _validate(self, event: Event) -> None:
        """Raises ProtocolError for headers that HTTP/2 forbids. As the library does, at a tenth of
        a call's cost; blocks that come again and again need that once."""
        is_trailer = isinstance(event, TrailersReceived)
        if self.decoder.vouched and not is_trailer:
            return
        fields = cast("RequestReceived", event).headers
        deque(validate_headers(fields, _TRAILERS if is_trailer else _REQUEST), maxlen=0)
        if not is_trailer:
            self.decoder.vouch()

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """The peer will open no more; unlike the library we let its open streams go on."""
        event = ConnectionTerminated()
        event.last_stream_id = frame.last_stream_id
        return [], [event]


_TAKERS: Final[dict[type[Frame], Callable[[Wire, Any], tuple[list[Frame], list[Event]]]]] = {
    kind: getattr(Wire, method.__name__)
    for kind, method in H2Connection(_CONFIG)._frame_dispatch_table.items()  # noqa: SLF001
}
"""The library's table of each connection, once."""
