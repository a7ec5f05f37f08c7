"""A small world for tests of gRPC engines: a service that can do everything, and its clients.

`Get` follows the topic that the request's `path` names, a set of numbers told as addresses;
`GetProfile` misbehaves as its path says; `Certify` does what its `identity` says.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc

from linkerd.rpc.methods import Call, RpcError, ServiceTable, service
from linkerd.streams import Cursor, StreamEnd, Topic
from linkerd.stubs.proxy import destination_pb2, identity_pb2, net_pb2

Numbers = frozenset[int]

GET: Final = "/io.linkerd.proxy.destination.Destination/Get"
GET_PROFILE: Final = "/io.linkerd.proxy.destination.Destination/GetProfile"
CERTIFY: Final = "/io.linkerd.proxy.identity.Identity/Certify"


class NumbersTopic(Topic[Numbers]):
    """A topic of numbers that counts its deltas and tells when its last reader has left."""

    __slots__ = ("_padding", "deltas", "empty")

    def __init__(self, padding: int = 0) -> None:
        super().__init__(self._numbers_delta, on_empty=self._emptied)
        self.deltas = 0
        self.empty = asyncio.Event()
        self._padding = {"padding": "x" * padding} if padding else {}

    def _emptied(self) -> None:
        self.empty.set()

    def _numbers_delta(self, last: Numbers | None, current: Numbers) -> list[bytes]:
        self.deltas += 1
        added, removed = current - (last or frozenset()), (last or frozenset()) - current
        messages = []
        if added or last is None:
            addresses = [
                destination_pb2.WeightedAddr(addr=_address(n), metric_labels=self._padding)
                for n in sorted(added)
            ]
            messages.append(
                destination_pb2.Update(add=destination_pb2.WeightedAddrSet(addrs=addresses))
            )
        if removed:
            gone = destination_pb2.AddrSet(addrs=[_address(n) for n in sorted(removed)])
            messages.append(destination_pb2.Update(remove=gone))
        return [message.SerializeToString() for message in messages]


def apply(numbers: set[int], update: destination_pb2.Update) -> None:
    """What a client does with an update of a NumbersTopic; refuses what does not follow."""
    if update.HasField("add"):
        added = {entry.addr.ip.ipv4 for entry in update.add.addrs}
        assert not added & numbers, f"added twice: {added & numbers}"  # a test's
        numbers |= added
    else:
        removed = {address.ip.ipv4 for address in update.remove.addrs}
        assert removed <= numbers, f"not there: {removed - numbers}"  # a test's
        numbers -= removed


def _address(number: int) -> net_pb2.TcpAddress:
    return net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=number), port=80)


class Seen:
    """What a method saw of a call; `call` is the call itself, long over."""

    def __init__(self, call: Call) -> None:
        self.metadata = call.metadata
        self.peer = call.peer
        self.time_remaining = call.time_remaining()
        self.call = call


class World:
    """The services, and what they saw."""

    def __init__(self) -> None:
        self.topics: defaultdict[str, NumbersTopic] = defaultdict(NumbersTopic)
        self.calls: list[Seen] = []
        self.cancelled = asyncio.Event()
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self._certify: dict[str, Callable[[], Awaitable[Any]]] = {
            "refuse": self._refuse,
            "crash": self._crash,
            "wait": self._wait,
            "nonsense": self._nonsense,
        }

    def tables(self) -> list[ServiceTable]:
        """What to serve."""
        destination = destination_pb2.DESCRIPTOR.services_by_name["Destination"]
        identity = identity_pb2.DESCRIPTOR.services_by_name["Identity"]
        return [
            service(destination, Get=self._get, GetProfile=self._get_profile),
            service(identity, Certify=self._certify_method),
        ]

    async def _get(self, request: destination_pb2.GetDestination, call: Call) -> Cursor[Numbers]:
        self.calls.append(Seen(call))
        return self.topics[request.path].subscribe()

    async def _get_profile(self, request: destination_pb2.GetDestination, _call: Call) -> Any:
        if request.path == "broken-delta":
            return Topic(_broken_delta, 1).subscribe()
        if request.path == "broken-close":
            return _BrokenClose()
        return await self._certify[request.path]()

    async def _certify_method(self, request: identity_pb2.CertifyRequest, call: Call) -> Any:
        self.calls.append(Seen(call))
        special = self._certify.get(request.identity)
        if special is not None and (result := await special()) is not None:
            return result
        names = [request.identity.encode()]
        return identity_pb2.CertifyResponse(intermediate_certificates=names)

    async def _refuse(self) -> None:
        raise RpcError(grpc.StatusCode.PERMISSION_DENIED, f"identity: refused{'!' * 5000}")

    async def _crash(self) -> None:
        raise ValueError("the inner secret")

    async def _nonsense(self) -> object:
        return 7

    async def _wait(self) -> None:
        self.entered.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


def _broken_delta(_last: int | None, _current: int) -> list[bytes]:
    raise ValueError("the inner secret")


class _BrokenClose:
    """A subscription that says everything at once and then cannot let go."""

    def poll(self) -> bytes | None:
        raise StreamEnd(grpc.StatusCode.OK)

    def on_wake(self, wake: Callable[[], None]) -> None:
        """Never wakes."""

    def close(self) -> None:
        raise ValueError("the inner secret")
