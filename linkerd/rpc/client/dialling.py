"""How a connection is made, and what is said when it is not."""

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple

from linkerd.rpc.client.connection import Connection
from linkerd.rpc.client.errors import CallError, PeerIdentityError, UnreachableError
from linkerd.rpc.client.options import ClientOptions
from linkerd.rpc.client.tls import stranger_of
from linkerd.runtime.values import HostPort


class Peer(NamedTuple):
    """Whom to connect with, and how: with `context` as `identity`, without it in plain text."""

    address: HostPort
    identity: str
    context: ssl.SSLContext | None


async def dial(
    peer: Peer, options: ClientOptions, changed: Callable[[Connection], None]
) -> Connection | CallError:
    """A connection with a peer that is the right one and speaks HTTP/2, or why there is none: an
    UnreachableError, a PeerIdentityError where the mesh cannot tell that it is the right one."""
    seconds = options.connect_timeout.total_seconds()
    connection = Connection(str(peer.address), options, changed)
    try:
        async with asyncio.timeout(seconds):
            problem = await _meet(peer, connection)
    except OSError as error:  # a TimeoutError and an SSLError are such
        problem = _failure(peer, seconds, error)
    except BaseException:
        connection.abort()
        raise
    if problem is None:
        return connection
    connection.abort()
    return problem


async def _meet(peer: Peer, connection: Connection) -> CallError | None:
    """Raises OSError."""
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: connection,
        peer.address.host or "localhost",
        peer.address.port,
        ssl=peer.context,
        server_hostname=peer.identity if peer.context else None,
    )
    if peer.context is None:
        return await connection.settled
    certificate = transport.get_extra_info("peercert") or {}
    if (stranger := stranger_of(str(peer.address), peer.identity, certificate)) is not None:
        return stranger
    problem = await connection.settled  # of TLS 1.3's sides the server judges last
    if problem is None:
        return None
    return UnreachableError(
        f"{peer.address}, which is to be {peer.identity}, turns us away, as if it did not trust "
        f"our certificate: {problem.message}"
    )


def _failure(peer: Peer, seconds: float, error: OSError) -> UnreachableError:
    """The words for what has happened."""
    address, identity = peer.address, peer.identity
    if isinstance(error, TimeoutError) and error.errno is None:
        return UnreachableError(f"{address} does not answer within {seconds:g} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return PeerIdentityError(
            f"{address} is to be {identity}, but its certificate is not to be trusted: "
            f"{error.verify_message}"
        )
    what = getattr(error, "reason", None) or error.strerror or str(error) or type(error).__name__
    if peer.context is not None and not isinstance(error, ConnectionRefusedError):
        return UnreachableError(f"no TLS with {address}, which is to be {identity}: {what}")
    return UnreachableError(f"{address} cannot be reached: {what}")
