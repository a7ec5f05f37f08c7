"""Bodies of requests, bounded in size, in time and in what all of them hold together.

A review holds the object and, on updates, the one before it; the API server lets an object have 3
MiB on the wire and more in JSON. Nearly all are far smaller, so small ones are read without ado,
and of large ones a few are held at a time: whoever sends many of those delays large ones only.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import ClientPayloadError, web

from linkerd.webhook.errors import RequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyLimits:
    """`size` in bytes of one body. Those above `small` bytes are held `large_at_once` at a time and
    wait for their turn for `wait_seconds`; reading takes at most `read_seconds`."""

    size: int = 10 << 20
    small: int = 64 << 10
    large_at_once: int = 4
    wait_seconds: float = 10.0
    read_seconds: float = 10.0


class Bodies:
    """Reads bodies within limits."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._large = asyncio.Semaphore(limits.large_at_once)

    @asynccontextmanager
    async def of(self, request: web.BaseRequest) -> AsyncIterator[bytes]:
        """The whole body, for as long as it is needed. Raises RequestError."""
        length = self._length(request)
        if length is not None and length <= self._limits.small:
            yield await self._read(request)
            return
        await self._turn()
        try:
            yield await self._read(request)
        finally:
            self._large.release()

    async def _turn(self) -> None:
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await self._large.acquire()
        except TimeoutError:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests at once: try again"
            ) from None

    def _length(self, request: web.BaseRequest) -> int | None:
        """What the request says of its size, if it is acceptable."""
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise RequestError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "Content-Encoding: bodies are taken as they are; send it without",
            )
        if request.content_length is not None and request.content_length > self._limits.size:
            raise self._too_large()
        return request.content_length

    async def _read(self, request: web.BaseRequest) -> bytes:
        read = bytearray()
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                async for chunk in request.content.iter_any():
                    read += chunk
                    if len(read) > self._limits.size:
                        raise self._too_large()
        except TimeoutError:
            raise RequestError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body did not come within {self._limits.read_seconds:g} s",
            ) from None
        except (web.RequestPayloadError, ClientPayloadError) as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"the body is cut off: {error}") from error
        return bytes(read)

    def _too_large(self) -> RequestError:
        return RequestError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body is larger than {self._limits.size >> 20} MiB",
        )
