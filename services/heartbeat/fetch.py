"""One GET over HTTP, bounded in time and size, that tells the peer nothing about us.

aiohttp would name itself and the Python version in User-Agent; no such header is sent. The proxy
of the environment (HTTPS_PROXY, NO_PROXY) is used, as by upstream.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import aiohttp
from yarl import URL

from linkerd.kube.transport import proxy_for
from services.heartbeat.errors import FetchError, UnreachableError

LIMIT: Final = 1 << 20
"""Bytes of an answer that are taken."""

_CONNECT_SECONDS: Final = 5.0
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity"}


class Answer(NamedTuple):
    """HTTP status and whole body."""

    status: int
    body: bytes


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session for `fetch`."""
    async with aiohttp.ClientSession(
        headers=_HEADERS,
        skip_auto_headers=("User-Agent",),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield session


async def fetch(session: aiohttp.ClientSession, url: URL, timeout: float) -> Answer:
    """GETs `url`, following redirections, within `timeout` seconds.

    Raises UnreachableError when no connection comes about, FetchError when the answer does not come
    in time, breaks off or is larger than LIMIT.
    """
    limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(_CONNECT_SECONDS, timeout))
    try:
        async with session.get(url, timeout=limits, proxy=proxy_for(url)) as response:
            return Answer(response.status, await _read(response))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise UnreachableError(_words(error)) from error
    except TimeoutError as error:
        raise FetchError(f"{url.host} did not answer in {timeout:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise FetchError(_words(error)) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LIMIT:
            raise FetchError(f"the answer of {response.url.host} is larger than {LIMIT} bytes")
    return bytes(body)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
