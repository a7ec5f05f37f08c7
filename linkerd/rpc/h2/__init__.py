"""The fast engine: gRPC on the `h2` library's HTTP/2 state machine, over asyncio's transports.

A watching stream is one small object without a task. Its subscription's wake marks it ready on its
connection; once a turn of the event loop the connection polls what is ready, frames the messages
and hands all frames to the transport in one write. A stream that its peer gives no room is not
polled, so a slow reader holds no queue and skips versions.

`server` listens and stops; `connection` is one connection's life, `inbox` turns what its peer sends
into calls and `outbox` what calls say into frames, `queue` deciding which large messages go first.
`streams` is one call, `served` what runs behind a path; `wire` is our side of the library,
`headers` what gRPC says in headers, `limits` what a peer may make us do.

What differs from the grpcio engine: there is no channelz, whose books are gRPC core's own.
"""
