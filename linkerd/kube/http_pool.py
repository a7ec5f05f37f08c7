"""A pool of HTTP/1.1 connections to one server, for small POSTs that are made many a second.

The general client spends 0.4 ms of CPU on a request, which for questions such as token reviews is
more than everything else that their askers do. This one spends a fraction of that: the head of a
request is made once for all, and of an answer's headers only those that matter are kept. No
proxies, no redirections, no streaming: `KubeClient.post` goes the general way where there is a
proxy.

Answers of more than 1 MiB are refused. A connection that was closed while it was idle is noticed
when it is used, and the request is made once more on a new one: what is asked here changes nothing.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

from linkerd.kube.errors import ProtocolError

_MAX_ANSWER: Final = 1 << 20
_IDLE: Final = 30.0  # seconds that a connection is kept without use
_SILENCE: Final = 1.0  # seconds without an answer that make all kept connections suspect


class Answer(NamedTuple):
    """What came back. `keeps`: the connection may be used again."""

    status: int
    body: bytes
    retry_after: float | None
    keeps: bool


class AnswerParser:
    """Makes an answer of what a connection brings."""

    def __init__(self) -> None:
        self._message = _Message()
        self._parser = HttpResponseParser(self._message)

    def feed(self, data: bytes) -> Answer | None:
        """The answer once it is all there. Raises ProtocolError, also for more than it."""
        message = self._message
        message.bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            message.fault = message.fault or f"an answer that is not HTTP/1.1 ({error})"
        if message.bytes > _MAX_ANSWER:
            message.fault = f"an answer of more than {_MAX_ANSWER} bytes"
        if message.fault is not None:
            raise ProtocolError(message.fault)
        if not message.complete:
            return None
        return Answer(
            self._parser.get_status_code(),
            b"".join(message.body),
            message.retry_after,
            not message.closes and self._parser.get_http_version() == "1.1",
        )


class _Message:
    """What the parser calls. It does not know the parser, or the two would stay in memory until the
    garbage collector runs."""

    def __init__(self) -> None:
        self.bytes = 0
        self.body: list[bytes] = []
        self.retry_after: float | None = None
        self.closes = False
        self.complete = False
        self.fault: str | None = None
        self._length: int | None = None  # that the headers announce; 0 for chunks

    def on_message_begin(self) -> None:
        if self.complete:
            self.fault = "more than one answer"

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._length = 0
        elif name == b"connection":
            self.closes = value.lower() != b"keep-alive"
        elif name == b"retry-after" and value.isdigit():
            self.retry_after = float(value)

    def on_headers_complete(self) -> None:
        if self._length is None:
            self.fault = "an answer that does not say how long it is"
        elif self._length > _MAX_ANSWER:
            self.fault = f"an answer of {self._length} bytes"

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


class _Connection(asyncio.Protocol):
    """One connection; one exchange at a time. `ended` is told when it is over."""

    def __init__(self, ended: "Callable[[_Connection], object]") -> None:
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser = AnswerParser()
        self.idle_since = 0.0
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.close()  # nobody asked
            return
        try:
            answer = self._parser.feed(data)
        except ProtocolError as error:
            # Without this frame in it, which holds the future that holds the error.
            waiter.set_exception(error.with_traceback(None))
            return
        if answer is not None:
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
        self._parser = AnswerParser()
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


class HttpPool:
    """Connections to one peer, as many as there are requests at once."""

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
        self._heads: dict[str, bytes] = {}  # by path: there are one or two
        self._authorization: str | None = None
        self._open: set[_Connection] = set()
        self._idle: list[_Connection] = []
        self._retired = False
        self._closed = False

    async def post(self, path: str, body: bytes, authorization: str | None) -> Answer:
        """Raises OSError (no answer; ssl.SSLError is one) and ProtocolError."""
        head = self._head(path, authorization)
        request = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
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

    def _head(self, path: str, authorization: str | None) -> bytes:
        """All but the length, made anew when our token changes."""
        if authorization != self._authorization:
            self._heads.clear()
            self._authorization = authorization
        head = self._heads.get(path)
        if head is None:
            who = f"Authorization: {authorization}\r\n" if authorization else ""
            if "\r" in who[:-2] or "\n" in who[:-2]:
                raise ProtocolError("our token has line breaks in it")
            head = self._heads[path] = f"POST {self._prefix}{path}{self._fixed}{who}".encode()
        return head

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
