"""Limits and timings of a gRPC client."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """Defaults are those of a process that has streams to thousands of proxies.

    `max_connections` bounds those that are open, `max_dials` those that begin at a time. A
    connection without calls is closed after `idle`. While there are calls and nothing comes for
    `keepalive_interval`, the peer is asked for a sign of life, and has `keepalive_timeout` for it.
    A reader that is slow holds at most `stream_window` bytes and one message, which has at most
    `max_receive_bytes`.
    """

    max_connections: int = 5_000
    max_dials: int = 64
    connect_timeout: timedelta = timedelta(seconds=5)
    idle: timedelta = timedelta(seconds=30)
    keepalive_interval: timedelta = timedelta(seconds=30)
    keepalive_timeout: timedelta = timedelta(seconds=10)
    stream_window: int = 64 << 10
    max_receive_bytes: int = 4 << 20
