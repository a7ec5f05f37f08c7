"""A client that is in the middle of a message, and stays there."""

import asyncio
from contextlib import suppress
from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from linkerd.stubs.proxy import destination_pb2 as pb
from tests.support.rpc import GET

WINDOW: Final = 65_535
"""Bytes that a client takes before it says that it has read some; HTTP/2's own figure."""
_PATIENCE: Final = 60.0  # seconds


class HalfReader:
    """An HTTP/2 client that reads as much of an answer as its window holds, and no more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._state = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._ended = False

    async def read(self, path: str) -> int:
        """Asks for endpoints and reads a window's worth; how much of the message that it ends in is
        still to come."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._ask(path)
        got = b""
        async with asyncio.timeout(_PATIENCE):
            while len(got) < WINDOW:
                got += self._take(await self._reader.read(WINDOW))
        assert len(got) == WINDOW  # a test's
        end = 0
        while end < len(got):  # each message has its length before it
            end += 5 + int.from_bytes(got[end + 1 : end + 5])
        return end - len(got)

    async def complete(self) -> bool:
        """Whether the stream ends in order; returns once the connection has ended."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while data := await self._reader.read(WINDOW):
                    self._take(data)
        except ConnectionResetError:
            pass
        self._writer.close()
        return self._ended

    async def close(self) -> None:
        """Gives up its connection, whatever is on its way."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    def _ask(self, path: str) -> None:
        request = pb.GetDestination(path=path).SerializeToString()
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": GET,
            ":authority": "destination",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        self._state.initiate_connection()
        self._state.send_headers(1, list(headers.items()))
        self._state.send_data(1, b"\0" + len(request).to_bytes(4) + request, end_stream=True)
        self._writer.write(self._state.data_to_send())

    def _take(self, data: bytes) -> bytes:
        events = self._state.receive_data(data)
        self._writer.write(self._state.data_to_send())
        self._ended = self._ended or any(isinstance(event, StreamEnded) for event in events)
        return b"".join(event.data for event in events if isinstance(event, DataReceived))
