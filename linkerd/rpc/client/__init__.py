"""Calling gRPC services: tables of methods made from descriptors, over channels that are pooled.

    TAP = signatures(tap_pb2.DESCRIPTOR.services_by_name["Tap"])

    async with Channels(tls=tls) as channels:
        channel = channels.channel(address, identity="web.shop.serviceaccount...")
        async with channel.watch(TAP["Observe"], request) as events:
            async for event in events: ...
        answer = await channel.unary(OTHER["Method"], request, timeout=5)

It is HTTP/2 by the `h2` library over asyncio's transports, and no gRPC core, because core insists
that TLS servers choose the protocol "h2" in the handshake (ALPN), and the mesh's proxies choose
none. `channels` pools connections and bounds their number; `dialling` makes one and judges who
answers, by the identities of `tls`; `connection` is the socket's side, `calls` one call, `wire` our
side of the library, `headers` what gRPC says in headers.
"""
