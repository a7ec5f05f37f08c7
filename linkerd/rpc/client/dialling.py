"""How a connection is made, and what is said when it is not."""

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple

from linkerd.rpc.client.connection import Connection
from linkerd.rpc.client.errors import PeerIdentityError, UnreachableError
from linkerd.rpc.client.options import ClientOptions
from linkerd.rpc.client.tls import judge
from linkerd.runtime.values import HostPort


class Peer(NamedTuple):
    """Whom to connect with, and how: with `context` as `identity`, without it in plain text."""

    address: HostPort
    identity: str
    context: ssl.SSLContext | None


async def dial(
    peer: Peer, options: ClientOptions, changed: Callable[[Connection], None]
) -> Connection:
    """A connection with a peer that is the right one and speaks HTTP/2. Raises UnreachableError,
    and PeerIdentityError where the mesh cannot tell that it is the right one."""
    seconds = options.connect_timeout.total_seconds()
    connection = Connection(str(peer.address), options, changed)
    try:
        async with asyncio.timeout(seconds):
            return await _dial(peer, connection)
    except OSError as error:  # a TimeoutError and an SSLError are such
        connection.abort()
        raise _failure(peer, seconds, error) from error
    except PeerIdentityError:
        connection.abort()
        raise
    except UnreachableError as error:  # of TLS 1.3's sides the server judges last
        if peer.context is None:
            raise
        raise UnreachableError(
            f"{peer.address}, which is to be {peer.identity}, turns us away, as if it did not "
            f"trust our certificate: {error.message}"
        ) from error
    except BaseException:
        connection.abort()
        raise


async def _dial(peer: Peer, connection: Connection) -> Connection:
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: connection,
        peer.address.host or "localhost",
        peer.address.port,
        ssl=peer.context,
        server_hostname=peer.identity if peer.context else None,
    )
    if peer.context is not None:
        judge(str(peer.address), peer.identity, transport.get_extra_info("peercert") or {})
    await connection.settled  # of a client that it does not want a TLS server says so only now
    return connection


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
