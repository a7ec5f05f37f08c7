"""Limits and timings of a gRPC server, the same for every engine."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Defaults are those of a control plane that 10,000s of proxies hold streams to.

    `max_concurrent_streams` is of watching calls, for the process; `max_connection_streams` of all
    calls, for one connection: a sidecar's carries those of many clients. `max_connections` is
    lower where the process may not open so many files. Of calls whose request is not whole yet the
    process takes `max_pending_calls`, which hold at most `max_held_bytes` together (besides small
    ones); of unary calls `max_unary_calls`, whose requests have at most
    `max_unary_bytes` together.
    `connection_age`, jittered by a tenth, moves clients to other replicas; None: never.
    `lame_duck` is how long `stop` keeps serving, unready, before it turns clients away.
    """

    max_concurrent_streams: int = 100_000
    max_connection_streams: int = 10_000
    max_connections: int = 20_000
    max_pending_calls: int = 20_000
    max_held_bytes: int = 64 << 20
    max_unary_calls: int = 8_192
    max_unary_bytes: int = 64 << 20
    max_receive_bytes: int = 1 << 20
    keepalive_interval: timedelta = timedelta(seconds=30)
    keepalive_timeout: timedelta = timedelta(seconds=10)
    connection_age: timedelta | None = None
    connection_age_grace: timedelta = timedelta(seconds=30)
    lame_duck: timedelta = timedelta(0)
    reflection: bool = False
    channelz: bool = False
