"""Reading what the API server answers: whole bodies, lines without end, refusals.

Every reader here is bounded. Whoever is at the other end, the server or a proxy in between, may
send without end, and bytes one by one.
"""

import asyncio
import ssl
from io import BytesIO
from typing import Final

import aiohttp

from linkerd.kube.errors import ApiError, ProtocolError, TooLarge, Unreachable
from linkerd.kube.limits import Limits
from linkerd.kube.lines import LineSplitter
from linkerd.kube.presence import Presence
from linkerd.kube.reasons import os_reason
from linkerd.runtime.clock import Clock

TRANSPORT_FAILURES: Final = (aiohttp.ClientError, OSError, TimeoutError)
_REST: Final = 0.002  # seconds after a read
_LONG_REST: Final = 0.02  # seconds after a read of little
_LARGE: Final = 16 * 1024  # bytes
_ERROR_BODY: Final = 64 * 1024  # bytes of an error answer that we read
_ERROR_BODY_SECONDS: Final = 10.0


class Reader:
    """Reads the answers of one server, within `limits`."""

    def __init__(self, presence: Presence, limits: Limits, clock: Clock) -> None:
        self._presence = presence
        self._limits = limits
        self._clock = clock
        self._turn = asyncio.Lock()

    async def body(self, response: aiohttp.ClientResponse, what: str) -> bytes:
        """The whole body. Raises TooLarge and Unreachable; what is left of the answer is of no use
        then."""
        limit = self._limits.body
        _check_encoding(response, what)
        length = response.content_length
        if length is not None and length > limit:
            raise TooLarge(f"{what}: an answer of {length} bytes; at most {limit} are read")
        body = BytesIO()  # in one piece: chunks may be of a byte each; and given away uncopied
        while chunk := await self.read(response, what):
            body.write(chunk)
            if body.tell() > limit:
                raise TooLarge(f"{what}: an answer of more than {limit} bytes")
        return body.getvalue()

    def lines(self, response: aiohttp.ClientResponse, what: str) -> "Lines":
        """The lines of a body that may have no end."""
        _check_encoding(response, what)
        return Lines(self, response, what, self._limits.line)

    async def read(self, response: aiohttp.ClientResponse, what: str) -> bytes:
        """What has come, or comes next; empty at the end. Raises Unreachable."""
        try:
            async with self._presence.answering():
                chunk = await response.content.readany()
        except TRANSPORT_FAILURES as error:
            self._presence.missed()
            raise unreachable(what, error) from error
        if self._limits.rests:
            await self._rest(len(chunk))
        return chunk

    async def _rest(self, size: int) -> None:
        """Lets others have their turn: bytes that come in tiny pieces take the HTTP parser a
        hundred times as long as others, and that is nothing that we can stop half-way."""
        async with self._turn:
            await self._clock.sleep(_REST if size >= _LARGE else _LONG_REST)


class Lines:
    """What `KubeClient.stream` iterates over. A class, for a generator left half-way would be
    closed by whoever collects garbage, at some other time."""

    def __init__(
        self, reader: Reader, response: aiohttp.ClientResponse, what: str, limit: int
    ) -> None:
        self._reader = reader
        self._response = response
        self._what = what
        self._splitter = LineSplitter(limit)

    def __aiter__(self) -> "Lines":
        return self

    async def __anext__(self) -> list[bytes]:
        while True:
            chunk = await self._reader.read(self._response, self._what)
            if not chunk:
                if self._splitter.pending:
                    raise Unreachable(f"{self._what}: the answer ended inside a line")
                raise StopAsyncIteration
            if lines := self._splitter.feed(chunk):
                return lines


def _check_encoding(response: aiohttp.ClientResponse, what: str) -> None:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise ProtocolError(f"{what}: an answer in {encoding[:50]!r}, which we do not ask for")


async def read_refusal(response: aiohttp.ClientResponse, what: str) -> ApiError | ProtocolError:
    """The error that an answer of 300 and above stands for; ends its connection."""
    body = await _read_some(response)
    response.close()
    if response.status < 400:
        return ProtocolError(f"{what}: answered with a redirection ({response.status})")
    retry_after = response.headers.get("Retry-After", "")
    return ApiError.parse(
        response.status, body, float(retry_after) if retry_after.isdecimal() else None
    )


async def _read_some(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_ERROR_BODY_SECONDS):
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _ERROR_BODY:
                    break
    except TRANSPORT_FAILURES:
        pass  # the status has said the main thing
    return bytes(body)


def unreachable(what: str, error: Exception) -> Unreachable:
    """What a failure of the transport means. Only the words of `error` are kept: the frames of
    connectors hold their own exceptions, a cycle in which everything that waited here would stay
    until the garbage collector comes."""
    cause: BaseException | None = error
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    return Unreachable(f"{what}: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Why there is no answer, without the libraries' own objects and class names."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        refused = error.certificate_error
        said = getattr(refused, "verify_message", "") or str(refused)
        return f"{error.host}:{error.port} has a certificate that is not to be trusted: {said}"
    if isinstance(error, aiohttp.ClientConnectorError):
        why = os_reason(error.os_error)
        tls = "TLS failed: " if isinstance(error.os_error, ssl.SSLError) else ""
        return f"cannot connect to {error.host}:{error.port}: {tls}{why}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
