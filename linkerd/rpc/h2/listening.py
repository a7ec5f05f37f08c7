"""The sockets that a server listens on."""

import socket

from linkerd.rpc.h2.limits import RECEIVE_BUFFER_BYTES
from linkerd.runtime.values import HostPort


def listen(address: HostPort) -> list[socket.socket]:
    """Listening sockets on one port for all that `address` names; an empty host is every address
    of both families. Port 0 chooses one. No second process may have the port. Raises OSError.

    The kernel keeps little of what their connections bring, lest a frame wait behind a flood."""
    sockets = _sockets(address)
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return sockets


def _sockets(address: HostPort) -> list[socket.socket]:
    if not address.host:
        return [_everywhere(address.port)]
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    port = address.port
    for family, host in dict.fromkeys((entry[0], entry[4][0]) for entry in found):
        try:
            sockets.append(socket.create_server((str(host), port), family=family))
        except OSError:
            for each in sockets:
                each.close()
            raise
        port = port or sockets[0].getsockname()[1]
    return sockets


def _everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
