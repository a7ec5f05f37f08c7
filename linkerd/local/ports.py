"""Choose ports that are free, and say who has one that is not."""

import random
import socket
from typing import Final

import psutil

from linkerd.local.errors import AddressError

# Below the range that Linux gives to outgoing connections and below that of node ports: a port
# found free here is not taken by chance before its component listens.
_RANGE: Final = range(20000, 30000)
_TRIES: Final = 200


def is_free(address: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def choose_port(address: str, taken: set[int]) -> int:
    """A free port that is not in `taken`. Raises AddressError when none is found."""
    for port in random.sample(_RANGE, _TRIES):
        if port not in taken and is_free(address, port):
            return port
    raise AddressError(
        f"none of {_TRIES} ports tried between {_RANGE.start} and {_RANGE.stop} is free on "
        f"{address}; end some servers and try again"
    )


def require_free(address: str, port: int, flag: str) -> int:
    """`port` itself. Raises AddressError, naming whoever has it where the system tells."""
    if not 0 < port < 65536:
        raise AddressError(f"{flag} {port} is not a port; give one between 1 and 65535")
    if not is_free(address, port):
        raise AddressError(
            f"port {port} on {address} is taken{_owner(port)}; end that program, or choose "
            f"another port with {flag}"
        )
    return port


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:2] == (port,):
                name = psutil.Process(connection.pid).name() if connection.pid else None
                return f" by {name} (process {connection.pid})" if name else ""
    except psutil.Error:
        return ""  # not ours to see without root
    return ""
