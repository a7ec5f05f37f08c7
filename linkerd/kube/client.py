"""Requests to the API server: bytes out, bytes in, errors of our own tree.

One client a process. Watches hold a connection each (HTTP/1.1), so the pool has no limit. A 401
makes it read the credentials again, once, and repeat the request; a TLS failure makes it read them
for the next one. A request without an answer makes it find out whether the server is away; see
`linkerd.kube.presence`. Responses are not compressed: on the cluster's network that costs more time
than it saves.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Self

import aiohttp
import structlog
from yarl import URL

from linkerd.kube.access import Access
from linkerd.kube.answers import (
    TRANSPORT_FAILURES,
    Reader,
    read_refusal,
    unreachable,
)
from linkerd.kube.credentials import Credentials
from linkerd.kube.errors import (
    ApiError,
    ConfigError,
    KubeError,
    ProtocolError,
    ServerError,
    Unauthorized,
    Unreachable,
)
from linkerd.kube.http_pool import HttpPool, Peer
from linkerd.kube.limits import AT_HOME, OF_A_GUEST, Limits
from linkerd.kube.presence import Presence
from linkerd.kube.transport import open_session, proxy_for
from linkerd.runtime.clock import Clock, SystemClock

_log = structlog.stdlib.get_logger(__name__)

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
_READY: Final = "/readyz"  # costs the server nothing, and everybody may ask it
_READY_TIMEOUT: Final = 5.0  # seconds


class KubeClient:
    """A connection to one API server. Create with `connect`, end with `close` or `async with`."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        user_agent: str,
        clock: Clock,
        limits: Limits | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._headers = tuple(headers)  # of every request, whatever it asks
        self.limits = limits or AT_HOME
        self.presence = Presence(
            self._is_there, clock, interval=self.limits.interval, at_once=self.limits.questions
        )
        self._reader = Reader(self.presence, self.limits, clock)
        self._credentials = credentials
        self._user_agent = user_agent
        self._fingerprint = credentials.fingerprint()
        self._session = open_session(credentials.tls_context(), user_agent, self.limits.buffer)
        self._pool = self._open_pool()

    @classmethod
    async def connect(
        cls, kubeconfig: Path | None, *, user_agent: str, clock: Clock | None = None
    ) -> "KubeClient":
        """A client for the given kubeconfig, else $KUBECONFIG, else ~/.kube/config, else the pod's
        service account. Sends nothing yet. Raises ConfigError."""
        return await cls.reach(Access(kubeconfig), user_agent=user_agent, clock=clock)

    @classmethod
    async def reach(
        cls, access: Access, *, user_agent: str, clock: Clock | None = None
    ) -> "KubeClient":
        """As `connect`, in a context of the kubeconfig and as whom `access` says."""
        clock = clock or SystemClock()
        credentials = await Credentials.load(access.kubeconfig, clock, context=access.context)
        return cls(credentials, user_agent=user_agent, clock=clock, headers=access.headers())

    @classmethod
    async def of_kubeconfig(
        cls, kubeconfig: bytes, *, user_agent: str, clock: Clock | None = None
    ) -> "KubeClient":
        """A client for a kubeconfig out of a Secret, which may hold no plugins and no paths, of a
        server that is not ours. Sends nothing yet. Raises ConfigError."""
        clock = clock or SystemClock()
        credentials = await Credentials.of_text(kubeconfig, clock)
        return cls(credentials, user_agent=user_agent, clock=clock, limits=OF_A_GUEST)

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self._credentials.configuration.host)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all connections, watches included."""
        await self.presence.close()
        if self._pool is not None:
            self._pool.close()
        await self._session.close()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: float = 30.0,
    ) -> bytes:
        """The whole answer's body. `timeout` is in seconds, for all of it; raises KubeError."""
        limits = aiohttp.ClientTimeout(total=timeout)
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        response = await self._send(method, path, query, headers, limits, body)
        try:
            return await self._reader.body(response, f"{method} {path}")
        finally:
            response.release()

    async def post(self, path: str, body: bytes, *, timeout: float) -> bytes:
        """As `request` with POST and JSON, for questions that change nothing and are asked often;
        see `linkerd.kube.http_pool`."""
        if self._pool is None:
            return await self.request("POST", path, body=body, timeout=timeout)
        generation = self._credentials.generation
        try:
            async with asyncio.timeout(timeout):
                try:
                    return await self._post(self._pool, path, body)
                except Unauthorized:
                    if not await self._renew(generation):
                        raise
                return await self._post(self._pool, path, body)
        except TimeoutError as error:
            raise Unreachable(f"POST {path}: no answer in {timeout:g} s") from error

    async def _post(self, pool: HttpPool, path: str, body: bytes) -> bytes:
        generation = self._credentials.generation
        authorization = await self._credentials.authorization()
        try:
            answer = await pool.post(path, body, authorization)
        except ssl.SSLError as error:
            await self._renew(generation)
            raise unreachable(f"POST {path}", error) from error
        except OSError as error:
            raise unreachable(f"POST {path}", error) from error
        if answer.status >= 400:
            raise ApiError.parse(answer.status, answer.body, answer.retry_after)
        if answer.status >= 300:
            raise ProtocolError(f"POST {path}: answered with a redirection ({answer.status})")
        return answer.body

    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = JSON,
        idle_timeout: float = 180.0,
    ) -> AbstractAsyncContextManager[AsyncIterator[list[bytes]]]:
        """A GET whose answer is lines without end: an iterator of the lines that each read brought.

        It ends when the server ends the answer, and raises Unreachable when the connection breaks
        or nothing arrives for `idle_timeout` seconds.
        """
        return self._stream(path, query, accept, idle_timeout)

    @asynccontextmanager
    async def _stream(
        self, path: str, query: Mapping[str, str] | None, accept: str, idle_timeout: float
    ) -> AsyncGenerator[AsyncIterator[list[bytes]]]:
        limits = aiohttp.ClientTimeout(sock_connect=self.limits.patience, sock_read=idle_timeout)
        response = await self._send("GET", path, query, {"Accept": accept}, limits)
        try:
            yield self._reader.lines(response, f"GET {path}")
        finally:
            response.close()

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
        body: bytes | None = None,
    ) -> aiohttp.ClientResponse:
        """An answer of success, its body unread."""
        generation = self._credentials.generation
        try:
            return await self._attempt(method, path, query, headers, limits, body)
        except Unauthorized:
            if not await self._renew(generation):
                raise
        return await self._attempt(method, path, query, headers, limits, body)

    async def _attempt(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
        body: bytes | None,
    ) -> aiohttp.ClientResponse:
        generation = self._credentials.generation
        authorization = await self._credentials.authorization()
        configuration = self._credentials.configuration
        url = URL(f"{configuration.host}{path}", encoded=True).with_query(query)
        if self._session.closed:  # while the process ends, reflectors still try again
            raise Unreachable(f"{method} {path}: the client is closed")
        try:
            async with asyncio.timeout(self.limits.patience), self.presence.answering(slow=True):
                response = await self._session.request(
                    method,
                    url,
                    headers=[*headers.items(), *self._headers, *_authorizing(authorization)],
                    data=body,
                    timeout=limits,
                    allow_redirects=False,
                    proxy=configuration.proxy or proxy_for(url),
                    server_hostname=configuration.tls_server_name,
                )
        except (ssl.SSLError, aiohttp.ClientSSLError) as error:
            await self._renew(generation)  # the CA or our certificate may have been replaced
            raise unreachable(f"{method} {path}", error) from error
        except TRANSPORT_FAILURES as error:
            self.presence.missed()
            raise unreachable(f"{method} {path}", error) from error
        if response.status >= 500:
            self.presence.missed()
        if response.status >= 300:
            raise await read_refusal(response, f"{method} {path}")
        return response

    async def _is_there(self) -> bool:
        """Whether the server answers: any status below 500 says that it does."""
        try:
            await self.request("GET", _READY, timeout=_READY_TIMEOUT)
        except (ConfigError, ServerError, Unreachable):
            return False
        except KubeError:
            pass
        return True

    async def _renew(self, seen: int) -> bool:
        """Newer credentials than generation `seen`, and a session that fits them, if there are."""
        if not await self._credentials.reload(seen):
            return False
        fingerprint = self._credentials.fingerprint()
        if fingerprint != self._fingerprint:
            old = self._session
            self._session = open_session(
                self._credentials.tls_context(), self._user_agent, self.limits.buffer
            )
            self._fingerprint = fingerprint
            if self._pool is not None:
                self._pool.retire()
            self._pool = self._open_pool()
            await old.close()
        _log.info("credentials for the API server read again")
        return True

    def _open_pool(self) -> HttpPool | None:
        """None where a proxy is in the way, or requests have headers that only we know of."""
        configuration = self._credentials.configuration
        if self._headers or configuration.proxy or proxy_for(URL(self.server)):
            return None
        tls = self._credentials.tls_context()
        name = configuration.tls_server_name
        return HttpPool(Peer(self.server, tls, name, self._user_agent))


def _authorizing(authorization: str | None) -> list[tuple[str, str]]:
    return [("Authorization", authorization)] if authorization else []
