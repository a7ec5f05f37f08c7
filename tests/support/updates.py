"""One Get stream of the destination service, read as a proxy would, with the time of each message.

A thread reads; the test waits for what it expects and looks at all that came. The picture that a
proxy would have is kept, so that tests can tell a change from a repetition.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final, Self

import grpc

from linkerd.stubs.proxy import destination_pb2, net_pb2
from linkerd.stubs.proxy.destination_pb2_grpc import DestinationStub

_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One message: what it added and removed, as ip:port, and when it came (monotonic seconds)."""

    at: float
    added: frozenset[str]
    removed: frozenset[str]


class Updates:
    """The stream of `path`; a context manager that ends it."""

    def __init__(self, channel: grpc.Channel, path: str) -> None:
        request = destination_pb2.GetDestination(scheme="k8s", path=path)
        self._call = DestinationStub(channel).Get(request)
        self._changed = threading.Condition()
        self._seen: list[Seen] = []
        self._addresses: set[str] = set()
        self._ended: grpc.RpcError | None = None
        self._reader = threading.Thread(target=self._read, name=f"updates of {path}", daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._call.cancel()
        self._reader.join(_SECONDS)

    @property
    def seen(self) -> list[Seen]:
        """Every message until now."""
        with self._changed:
            return list(self._seen)

    @property
    def addresses(self) -> frozenset[str]:
        """What the proxy would send requests to now."""
        with self._changed:
            return frozenset(self._addresses)

    def wait(self, holds: Callable[[frozenset[str]], bool], *, seconds: float = _SECONDS) -> float:
        """Wait until `holds` of the addresses; when it came to hold (monotonic seconds).

        Raises TimeoutError with what there is instead, or the error that ended the stream.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while not holds(frozenset(self._addresses)):
                if self._ended is not None:
                    raise self._ended
                if not self._changed.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"after {seconds} s there are {sorted(self._addresses)}")
            return self._seen[-1].at if self._seen else time.monotonic()

    def _read(self) -> None:
        try:
            for update in self._call:
                with self._changed:
                    self._take(update)
                    self._changed.notify_all()
        except grpc.RpcError as error:
            with self._changed:
                self._ended = error
                self._changed.notify_all()

    def _take(self, update: destination_pb2.Update) -> None:
        added = frozenset(_text(weighted.addr) for weighted in update.add.addrs)
        removed = frozenset(map(_text, update.remove.addrs))
        self._seen.append(Seen(time.monotonic(), added, removed))
        self._addresses = (self._addresses | added) - removed
        if update.HasField("no_endpoints"):
            self._addresses.clear()


def _text(address: net_pb2.TcpAddress) -> str:
    return f"{IPv4Address(address.ip.ipv4)}:{address.port}"
