"""Hosts of a mesh on one machine: network namespaces on a switch of their own.

Nothing is in the machine's own network: the switch is a bridge in a namespace too, so all links and
rules end with their namespaces. The process that made them is part of their names; what it leaves,
if it is killed, is removed by whoever makes the next network. Every host takes all addresses for
its neighbours, so there are neither routers nor routes.

A process may have sockets in many namespaces: a thread enters one, makes a socket, and leaves.
"""

import ctypes
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

PROXY_GROUP: Final = 2102
"""The group whose connections are not redirected. Injected proxies are told by their user; here
any folder may hold the program, and other users could not read all of them."""

_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
_NAMESPACES: Final = Path("/run/netns")
_NAME: Final = re.compile(r"mesh-(\d+)-[a-z0-9-]+")
_SECONDS: Final = 10.0
_libc: Final = ctypes.CDLL(None, use_errno=True)

# As linkerd2-proxy-init has them: what comes in goes to the proxy, but for its own two ports, and
# what goes out too, but for what the proxy itself sends and what stays on the host.
_REDIRECTION: Final = f"""\
*nat
-A PREROUTING -p tcp -m multiport --dports 4190,4191 -j RETURN
-A PREROUTING -p tcp -j REDIRECT --to-port 4143
-A OUTPUT -m owner --gid-owner {PROXY_GROUP} -j RETURN
-A OUTPUT -o lo -j RETURN
-A OUTPUT -p tcp -j REDIRECT --to-port 4140
COMMIT
"""


@dataclass(frozen=True, slots=True)
class Host:
    """A network namespace with one address."""

    namespace: str
    ip: str

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is on the host: sockets that it makes and programs that it starts are."""
        with Path("/proc/thread-self/ns/net").open("rb") as before:
            with (_NAMESPACES / self.namespace).open("rb") as there:
                _enter(there.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def connect(self, ip: str, port: int) -> socket.socket:
        """A connection, as an application makes it; calls on it take no longer than 10 s."""
        made = self.unconnected()
        made.settimeout(_SECONDS)
        try:
            made.connect((ip, port))
        except OSError:
            made.close()
            raise
        return made

    def listen(self, port: int, *, ip: str = "") -> socket.socket:
        """A listening socket on an address of the host, its own unless told otherwise."""
        with self.entered():
            return socket.create_server((ip or self.ip, port), backlog=128)

    def unconnected(self) -> socket.socket:
        """A socket for a TCP connection."""
        with self.entered():
            return socket.socket()

    def redirect(self) -> None:
        """Sends all TCP through a proxy on this host, from now on."""
        _ip("netns", "exec", self.namespace, "iptables-restore", said=_REDIRECTION)


class Network:
    """`with Network() as network:`; its hosts see each other, and nobody else."""

    def __init__(self) -> None:
        self._prefix = f"mesh-{os.getpid()}"
        self._switch = f"{self._prefix}-switch"

    def __enter__(self) -> Self:
        _clear(lambda owner: owner == os.getpid() or not Path(f"/proc/{owner}").exists())
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "name", "switch", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "switch", "up")
        return self

    def __exit__(self, *_: object) -> None:
        _clear(lambda owner: owner == os.getpid())

    def host(self, name: str, ip: str) -> Host:
        """A new host; the name has up to 13 letters, digits and dashes."""
        namespace = f"{self._prefix}-{name}"
        _ip("netns", "add", namespace)
        _ip(
            "-n", self._switch, "link", "add", "name", name, "type", "veth",
            "peer", "name", "eth0", "netns", namespace,
        )  # fmt: skip
        _ip("-n", self._switch, "link", "set", "dev", name, "master", "switch", "up")
        for words in (
            ("link", "set", "lo", "up"),
            ("address", "add", f"{ip}/32", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "dev", "eth0"),
        ):
            _ip("-n", namespace, *words)
        return Host(namespace, ip)


def _clear(of: Callable[[int], bool]) -> None:
    """Ends what runs in namespaces whose owner `of` chooses, and removes them."""
    if not _NAMESPACES.exists():
        return
    for namespace in [path.name for path in _NAMESPACES.iterdir()]:
        named = _NAME.fullmatch(namespace)
        if named is None or not of(int(named[1])):
            continue
        for pid in map(int, _ip("netns", "pids", namespace).split()):
            if pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        _ip("netns", "delete", namespace)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str, said: str | None = None) -> str:
    done = subprocess.run(
        ["ip", *words], input=said, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode != 0:
        raise AssertionError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
