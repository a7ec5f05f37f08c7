"""The fast engine: gRPC on the `h2` library's HTTP/2 state machine, over asyncio's transports.

A watching stream is one small object without a task. Its subscription's wake marks it ready on its
connection; once a turn of the event loop the connection polls what is ready, frames the messages
and hands all frames to the transport in one write. A stream that its peer gives no room is not
polled, so a slow reader holds no queue and skips versions.

A `session` is a connection without I/O: bytes in, bytes out, time and timers from outside. Within
it `inbox` turns what a peer sends into calls, `outbox` what calls say into frames, `large_messages`
deciding which of these go first; `streams` is one call, `receiving` and `sending` its halves,
`handlers` what runs behind a path. `wire`, `blocks` and `settings` are our side of the library,
`headers` what gRPC says in headers.

`connection` is the socket's side of a session, `life` its timers, and `turns` shares the event loop
among connections. What a peer may make us do and hold: `limits` has numbers, `costs` what a frame
costs, `budget` what an address may spend, `flood_meter` charges a connection, `admission` who may
connect at all.

What differs from the grpcio engine: there is no channelz, whose books are gRPC core's own.
"""
