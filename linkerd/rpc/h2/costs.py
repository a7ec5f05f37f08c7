"""What frames cost their sender, in units of about five microseconds of ours, before we act on
them.

What brings something costs nothing: a request that is served, the data of its message, the first
answer to our SETTINGS and PINGs. So does room that we asked for by sending; as room cannot be told
from useless updates by its size, WINDOW_UPDATEs cost what they take us, and DATA frames that we
send earn more. What only shows when a frame has been acted on (a request that is refused, a stream
that is over before its answer) has its cost below, too, and is charged by `inbox`.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from h2.settings import SettingCodes
from hyperframe.frame import (
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from linkerd.rpc.h2.wire import Wire


class Cost(NamedTuple):
    """`reason` is a word for metrics and logs."""

    reason: str
    units: int


FREE: Final = Cost("", 0)

REFUSED: Final = Cost("refused", 16)
"""A request that is refused: no gRPC, no such method, too many."""

LATE: Final = Cost("late", 2)
"""A request that crossed our GOAWAY."""

UNSERVED: Final = Cost("unserved", 10)
"""A stream that ends before its request was whole, or with a request that is no message."""

UNANSWERED: Final = Cost("unanswered", 6)
"""A stream that the peer resets before it got an answer to its whole request."""

PROVOKED: Final = Cost("provoked", 10)
"""A stream that we must reset because the peer broke a rule."""

BROKEN: Final = Cost("broken", 40)
"""A connection that we must end because the peer broke a rule."""

_UPDATES_A_UNIT: Final = 4
_GOOD_DATA: Final = 256  # bytes; what is less and ends no request brings little
_FREE_FIELDS: Final = 48  # of a header list
_FREE_BYTES: Final = 4096  # of a header block


def cost_of(frame: Frame, wire: Wire, blocked: int) -> Cost:
    """What `frame` costs, before `wire` takes it in. `blocked` streams wait for room."""
    reason, units_of = _COSTS.get(type(frame), _OTHER)
    units = units_of(frame, wire, blocked)
    return Cost(reason, units) if units else FREE


def cost_of_updates(count: int, before: int) -> Cost:
    """What so many WINDOW_UPDATEs cost, `before` which there were others: each fourth costs."""
    units = (before + count) // _UPDATES_A_UNIT - before // _UPDATES_A_UNIT
    return Cost("window", units) if units else FREE


def cost_of_fields(count: int, resized: int) -> Cost:
    """What a header list of so many fields, whose block `resized` the table so often, costs beyond
    an ordinary one."""
    if count <= _FREE_FIELDS and not resized:
        return FREE
    return Cost("headers", max(0, count - _FREE_FIELDS) + 2 * resized)


def _one(_frame: Frame, _wire: Wire, _blocked: int) -> int:
    return 1


def _ping(frame: PingFrame, wire: Wire, _blocked: int) -> int:
    if "ACK" in frame.flags:
        return 0 if wire.awaits(frame.opaque_data) else 1
    return 2


def _settings(frame: SettingsFrame, wire: Wire, blocked: int) -> int:
    if "ACK" in frame.flags:
        return 1 if wire.settled else 0
    moved = SettingCodes.INITIAL_WINDOW_SIZE in frame.settings
    return 4 + frame.body_len // 24 + (blocked // 8 if moved else 0)


def _data(frame: DataFrame, wire: Wire, _blocked: int) -> int:
    if frame.stream_id not in wire.streams:
        return 4
    return 0 if "END_STREAM" in frame.flags or len(frame.data) >= _GOOD_DATA else 2


def _headers(frame: HeadersFrame, wire: Wire, _blocked: int) -> int:
    """Trailers cost, as no client of gRPC has any; CONTINUATIONs and priorities too."""
    trailers = 12 if frame.stream_id <= wire.highest_inbound_stream_id else 0
    block = max(0, len(frame.data) - _FREE_BYTES) // 128
    return wire.continuations + ("PRIORITY" in frame.flags) + block + trailers


def _reset(frame: RstStreamFrame, wire: Wire, _blocked: int) -> int:
    return 0 if frame.stream_id in wire.streams else 1


_Units = Callable[[Any, Wire, int], int]
_OTHER: Final[tuple[str, _Units]] = ("unknown", _one)
_COSTS: Final[dict[type[Frame], tuple[str, _Units]]] = {
    DataFrame: ("data", _data),
    HeadersFrame: ("headers", _headers),
    PingFrame: ("ping", _ping),
    PriorityFrame: ("priority", _one),
    RstStreamFrame: ("reset", _reset),
    SettingsFrame: ("settings", _settings),
    WindowUpdateFrame: ("window", _one),  # those that are not valid
}
