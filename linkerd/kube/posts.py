"""Small POSTs, many a second: HTTP/1.1 on kept connections, and nothing else.

The general client spends 0.4 ms of CPU on a request, which for questions such as token reviews is
more than everything else that their askers do. This one spends a fraction of that: the head of a
request is made once for all, and an answer is read for what matters (status, length, whether the
connection stays). No proxies, no redirections, no streaming: `KubeClient.post` goes the general way
where there is a proxy.

Answers of more than 1 MiB are refused. A connection that was closed while it was idle is noticed
when it is used, and the request is made once more on a new one: what is asked here changes nothing.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from linkerd.kube.errors import ProtocolError

_MAX_ANSWER: Final = 1 << 20
_IDLE: Final = 30.0  # seconds that a connection is kept without use
_SILENCE: Final = 1.0  # seconds without an answer that make all kept connections suspect
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+) *\r", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding: *chunked *\r", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection: *close *\r", re.IGNORECASE)
_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after: *(\d+) *\r", re.IGNORECASE)
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[^\r\n]{0,64}\r\n")
_HEAD_END: Final = b"\r\n\r\n"


class Answer(NamedTuple):
    """What came back. `keeps`: the connection may be used again."""

    status: int
    body: bytes
    retry_after: float | None
    keeps: bool


def parse_answer(data: bytes) -> Answer | None:
    """The answer at the start of `data`, None while it is not all there. Raises ProtocolError."""
    if len(data) > _MAX_ANSWER:
        raise ProtocolError(f"an answer of more than {_MAX_ANSWER} bytes")
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    status = _STATUS.match(data)
    if status is None:
        raise ProtocolError("an answer that is not HTTP/1.1")
    head = data[: end + 2]
    body = _body(head, data, end + len(_HEAD_END))
    if body is None:
        return None
    seconds = _RETRY_AFTER.search(head)
    retry_after = float(seconds[1]) if seconds else None
    return Answer(int(status[1]), body, retry_after, _CLOSES.search(head) is None)


def _body(head: bytes, data: bytes, start: int) -> bytes | None:
    if _CHUNKED.search(head):
        return _unchunked(data, start)
    length = _LENGTH.search(head)
    if length is None:
        raise ProtocolError("an answer that does not say how long it is")
    end = start + int(length[1])
    if end > _MAX_ANSWER:
        raise ProtocolError(f"an answer of {end} bytes")
    return data[start:end] if len(data) >= end else None


def _unchunked(data: bytes, at: int) -> bytes | None:
    """The chunks from `at` on; trailers, which nobody sends here, are an error."""
    parts: list[bytes] = []
    while True:
        size = _CHUNK.match(data, at)
        if size is None:
            if len(data) - at > 80:
                raise ProtocolError("a chunk that does not say how long it is")
            return None
        length = int(size[1], 16)
        begin, end = size.end(), size.end() + length
        if len(data) < end + 2:
            return None
        if data[end : end + 2] != b"\r\n":
            raise ProtocolError("a chunk that does not end where it should")
        if length == 0:
            return b"".join(parts)
        parts.append(data[begin:end])
        at = end + 2


class _Connection(asyncio.Protocol):
    """One connection; one exchange at a time. `ended` is told when it is over."""

    def __init__(self, ended: "Callable[[_Connection], object]") -> None:
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._waiter: asyncio.Future[Answer] | None = None
        self.idle_since = 0.0
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._data = self._data + data if self._data else data
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.close()  # nobody asked
            return
        try:
            answer = parse_answer(self._data)
        except ProtocolError as error:
            # Without this frame in it, which holds the future that holds the error.
            waiter.set_exception(error.with_traceback(None))
            return
        if answer is not None:
            self._data = b""
            waiter.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self.closed = True
        self._ended(self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(
                exc if isinstance(exc, OSError) else ConnectionResetError("connection closed")
            )

    async def exchange(self, request: bytes) -> Answer:
        """One request and its answer. Raises OSError, ProtocolError; then the connection is over,
        as it is when the caller is cancelled."""
        if self.closed or self._transport is None:
            raise ConnectionResetError("connection closed")
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        keeps = False
        try:
            answer = await self._waiter
            keeps = answer.keeps
            return answer
        finally:
            self._waiter = None
            if not keeps:
                self.close()

    def close(self) -> None:
        """Ends the connection at once."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to ask: the API server's URL, TLS (None for plain HTTP) and who we say we are."""

    url: str
    tls: ssl.SSLContext | None
    server_name: str | None
    user_agent: str


class Posts:
    """A pool of connections to one peer. As many as there are requests at once."""

    def __init__(self, peer: Peer) -> None:
        parts = urlsplit(peer.url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._tls = peer.tls if self._secure else None
        self._server_name = (peer.server_name or self._host) if self._secure else None
        self._prefix = parts.path.rstrip("/")
        self._fixed = (
            f" HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: {peer.user_agent}\r\n"
            "Accept: application/json\r\nContent-Type: application/json\r\n"
        )
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._retired = False
        self._closed = False

    async def post(self, path: str, body: bytes, authorization: str | None) -> Answer:
        """Raises OSError (no answer; ssl.SSLError is one) and ProtocolError."""
        request = self._head(path, len(body), authorization) + body
        kept = self._kept()
        if kept is not None:
            try:
                return await self._exchange_kept(kept, request)
            except OSError:
                pass  # it was closed meanwhile; a new one tells whether anybody is there
        return await self._exchange(await self._connect(), request)

    def retire(self) -> None:
        """Another pool takes over: what is under way ends in peace, and nothing is kept."""
        self._retired = True
        self._end_idle()

    def close(self) -> None:
        """Ends all connections, those in use too; who waits for an answer gets an OSError."""
        self._closed = True
        for connection in [*self._open]:
            connection.close()
        self._idle.clear()

    def _head(self, path: str, length: int, authorization: str | None) -> bytes:
        who = f"Authorization: {authorization}\r\n" if authorization else ""
        if "\r" in who[:-2] or "\n" in who[:-2]:
            raise ProtocolError("our token has line breaks in it")
        return (
            f"POST {self._prefix}{path}{self._fixed}{who}Content-Length: {length}\r\n\r\n".encode()
        )

    async def _exchange_kept(self, connection: _Connection, request: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._exchange(connection, request)
        except asyncio.CancelledError:
            if loop.time() - began > _SILENCE:
                self._end_idle()  # whatever swallowed this one has swallowed the others too
            raise

    async def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        answer = await connection.exchange(request)
        if self._retired:
            connection.close()
        elif not connection.closed:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        return answer

    def _end_idle(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _kept(self) -> _Connection | None:
        """The connection that was used last, if it was not too long ago."""
        oldest = asyncio.get_running_loop().time() - _IDLE
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        if self._closed:  # while the process ends, others still ask
            raise ConnectionAbortedError("the client is closed")
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _Connection(self._open.discard),
            self._host,
            self._port,
            ssl=self._tls,
            server_hostname=self._server_name if self._tls else None,
        )
        self._take(connection)
        return connection

    def _take(self, connection: _Connection) -> None:
        """A new connection; over at once if the pool was closed while it was being made."""
        if self._closed:
            connection.close()
        else:
            self._open.add(connection)
