"""HTTP sessions and sockets fit for watches that live for hours.

A peer that vanished without a word (a node that lost power, a middlebox that forgot us) is found by
the kernel: keepalive probes while a watch is silent, TCP_USER_TIMEOUT while something of ours is
unacknowledged.
"""

import functools
import ipaddress
import os
import socket
import ssl
from asyncio import get_running_loop
from typing import Any, Final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

_KEEPALIVE: Final = {  # option name: value; about 30 s until a dead peer is noticed
    "TCP_KEEPIDLE": 15,  # seconds
    "TCP_KEEPINTVL": 5,  # seconds
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 30_000,  # milliseconds
}

_MAX_PROVISIONAL: Final = 16  # answers of 1xx before the one to a request; servers send one or none


class _Connection(ResponseHandler):
    """aiohttp's side of a connection, which takes provisional answers (1xx) without end for one
    that is still to come, and works off thousands of them at each read."""

    _provisional = 0

    def feed_data(self, data: tuple[Any, Any], size: int = 0) -> None:
        """An answer's headers have come."""
        self._provisional = self._provisional + 1 if data[0].code < 200 else 0
        if self._provisional <= _MAX_PROVISIONAL:
            super().feed_data(data, size)
        elif self._provisional == _MAX_PROVISIONAL + 1:
            self.set_exception(aiohttp.ClientPayloadError("provisional answers (1xx) without end"))
            self.abort()


class _Socket(socket.socket):
    """A socket that never closes a descriptor which is not its own any more.

    uvloop (0.23) may close a connection that breaks while it is being handed over, and not tell
    this object. The number is soon somebody else's, an eventfd of gRPC's perhaps, and would be
    closed under them. The inode tells whose it is.
    """

    __slots__ = ("_inode",)

    def __init__(self, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._inode = os.fstat(self.fileno()).st_ino

    def close(self) -> None:
        """Closes what is this socket's own."""
        if not self._owns(self.fileno()):
            self.detach()
        super().close()

    def __del__(self) -> None:
        if self._owns(descriptor := self.detach()):
            os.close(descriptor)

    def _owns(self, descriptor: int) -> bool:
        try:
            return descriptor >= 0 and os.fstat(descriptor).st_ino == self._inode
        except OSError:
            return False  # nobody's


def open_session(context: ssl.SSLContext, user_agent: str, buffer: int) -> aiohttp.ClientSession:
    """A session without connection limit; needs a running loop. `buffer`: bytes that may wait to be
    read, on each connection; one read is one batch of events."""
    connector = aiohttp.TCPConnector(
        limit=0, ssl=context, socket_factory=open_socket, keepalive_timeout=30.0
    )
    # The connector takes no class of connections from outside.
    connector._factory = functools.partial(_Connection, loop=get_running_loop())  # type: ignore[assignment]  # noqa: SLF001  # a subclass
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        read_bufsize=buffer,
        auto_decompress=False,  # we ask for none, and a few bytes may stand for gigabytes
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def open_socket(info: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for a connection that may be silent for long; what aiohttp's connector asks for."""
    family, kind, protocol, _, _ = info
    opened = _Socket(family, kind, protocol)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)  # not every system has all of them
        if option is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)
    return opened


def proxy_for(url: URL) -> str | None:
    """The proxy that the environment (HTTPS_PROXY, NO_PROXY) asks for, as for kubectl: never for
    loopback addresses."""
    host = url.host or ""
    if _is_loopback(host) or proxy_bypass(host):
        return None
    return getproxies().get(url.scheme)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
