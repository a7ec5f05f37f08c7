"""What a peer may make us do: numbers, and the budget of frames that cost us and bring nothing."""

from typing import Final

MAX_HEADER_BYTES: Final = 16 << 10
"""Of one request, as HTTP/2 counts header lists; what gRPC core takes too."""

MAX_HELD_BYTES: Final = 16 << 20
"""Of request messages that are not whole yet, for one connection."""

WRITE_BYTES: Final = 256 << 10
"""One turn's share of a connection, and how much of it may wait in the process for the kernel."""

MAX_UNREAD_BYTES: Final = WRITE_BYTES + (1 << 20)
"""Beyond this a peer that makes us answer, and does not read the answers, is cut off."""

PREFACE_SECONDS: Final = 10.0
"""From accept to the client's SETTINGS."""

LINGER_SECONDS: Final = 1.0
"""From our last word on a connection to its end, for the peer to read that word."""

_BURST: Final = 20_000
_PER_SECOND: Final = 200.0
_PER_FRAME: Final = 4  # a client may answer a DATA frame with a PING and two WINDOW_UPDATEs


class Budget:
    """How many frames without benefit a connection may still send: floods of PING, SETTINGS,
    PRIORITY, of streams that are reset before they got an answer, of tiny WINDOW_UPDATEs.

    Each costs tens of microseconds here and next to nothing there. Clients that behave send them
    now and then, or in answer to data, which `earn` accounts for.
    """

    __slots__ = ("_checked", "_left")

    def __init__(self, now: float) -> None:
        self._left = float(_BURST)
        self._checked = now

    def earn(self, frames: int) -> None:
        """The peer got this many DATA frames of a good size."""
        self._left += frames * _PER_FRAME

    def spend(self, cost: int, now: float) -> bool:
        """Whether the peer could afford it. `now` is the loop's time in seconds."""
        left = self._left + (now - self._checked) * _PER_SECOND
        self._checked = now
        self._left = min(left, _BURST) - cost
        return self._left >= 0
