"""A connection whose peer asks for answers and does not read them."""

import asyncio
import socket
from contextlib import suppress

from hyperframe.frame import PingFrame, SettingsFrame

from linkerd.rpc.client.connection import Connection
from linkerd.rpc.client.options import ClientOptions

PINGS = PingFrame(0, opaque_data=b"answer!!").serialize() * 1_000
SMALL = 4096


async def test_a_peer_that_reads_no_answers_is_given_up() -> None:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
    theirs.setblocking(False)
    changes = list[bool]()
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection("peer", ClientOptions(), lambda c: changes.append(c.usable)), sock=ours
    )
    await loop.sock_sendall(theirs, SettingsFrame(0).serialize())
    async with asyncio.timeout(30):
        assert await connection.settled is None
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while not connection.lost.done():
                await loop.sock_sendall(theirs, PINGS)
                sent += len(PINGS)
        await connection.lost
    theirs.close()
    assert changes == [False]
    assert sent < 1 << 20, "as much again as may wait, and what the kernel holds"
