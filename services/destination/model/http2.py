"""Settings of the HTTP/2 connections between proxies, as the flag `--meshed-http2-client-params`
gives them: JSON with snake_case keys, durations as `{"seconds": 1, "nanos": 0}`. (It is what Go's
JSON decoder makes of the message's generated struct, not protobuf's JSON form.)"""

from typing import Annotated, Any

import msgspec

_Uint32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=315_576_000_000)]  # protobuf's limit
_Nanos = Annotated[int, msgspec.Meta(ge=0, le=999_999_999)]


class Duration(msgspec.Struct, frozen=True):
    """A length of time."""

    seconds: _Seconds = 0
    nanos: _Nanos = 0


class FlowControl(msgspec.Struct, frozen=True):
    """Window sizes in bytes; `adaptive_flow_control` overrides them."""

    initial_connection_window_size: _Uint32 = 0
    initial_stream_window_size: _Uint32 = 0
    adaptive_flow_control: bool = False


class KeepAlive(msgspec.Struct, frozen=True):
    """Pings: how often, how long to wait for the answer, and whether without streams too."""

    interval: Duration | None = None
    timeout: Duration | None = None
    while_idle: bool = False


class Internals(msgspec.Struct, frozen=True):
    """Limits inside the proxy's HTTP/2 library."""

    max_concurrent_reset_streams: _Uint32 = 0
    max_frame_size: _Uint32 = 0
    max_send_buf_size: _Uint32 = 0


class Http2Params(msgspec.Struct, frozen=True):
    """What clients of meshed endpoints use."""

    flow_control: FlowControl | None = None
    keep_alive: KeepAlive | None = None
    internals: Internals | None = None


def parse_http2_params(text: str) -> Http2Params | None:
    """JSON of HTTP/2 client parameters, or nothing

    Keys match in any case, unknown ones are ignored. Raises ValueError.
    """
    if not text.strip():
        return None
    try:
        return msgspec.convert(_lower_keys(msgspec.json.decode(text)), Http2Params)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _lower_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key).lower(): _lower_keys(item) for key, item in value.items()}
    return value
