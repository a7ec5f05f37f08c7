"""Our side of the `h2` library: a connection's state machine, bent where a client needs it.

The window of the whole connection is opened as data comes, and a stream's only as its reader takes
messages: so one that stalls holds what its own window has, and delays no other.
"""

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event
from h2.frame_buffer import FrameBuffer
from h2.settings import SettingCodes, Settings
from hyperframe.frame import Frame, GoAwayFrame

MAX_HEADER_BYTES: Final = 16 << 10
_WINDOW: Final = 1 << 20  # of the connection
_DEFAULT_WINDOW: Final = 65_535
_CONFIG: Final = H2Configuration(client_side=True, header_encoding=None)


class _Frames(FrameBuffer):
    """Refuses a frame that is too long before it has come."""

    def __next__(self) -> Frame:
        length = int.from_bytes(self._data[:3]) if len(self._data) > 2 else 0
        self._validate_frame_length(length)
        return super().__next__()


class Wire(H2Connection):
    """The state machine of one connection, whose streams have windows of `stream_window`."""

    DEFAULT_MAX_HEADER_LIST_SIZE = MAX_HEADER_BYTES
    MAX_CLOSED_STREAMS = 1024  # to judge late frames of

    def __init__(self, stream_window: int) -> None:
        super().__init__(_CONFIG)
        self.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: stream_window,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
            },
        )
        self.incoming_buffer = _Frames(server=False)
        self.incoming_buffer.max_frame_size = self.max_inbound_frame_size
        self._owed = 0

    def begin(self) -> None:
        """Says the preface."""
        self.initiate_connection()
        self.increment_flow_control_window(_WINDOW - _DEFAULT_WINDOW)

    def came(self, size: int) -> None:
        """So much data has come, on whatever stream."""
        self._owed += size
        if self._owed > _WINDOW // 4:
            self.increment_flow_control_window(self._owed)
            self._owed = 0

    def open(self, stream_id: int) -> bool:
        """Whether more may come on a stream."""
        stream = self.streams.get(stream_id)
        return stream is not None and stream.open

    def close(self) -> None:
        """Nothing is taken or sent any more."""
        self._frame_dispatch_table.clear()  # methods of ours, so a cycle
        self.streams.clear()

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[Event]]:
        """The peer takes no more streams; unlike the library we let those go on that it has."""
        event = ConnectionTerminated()
        event.last_stream_id = frame.last_stream_id
        return [], [event]
