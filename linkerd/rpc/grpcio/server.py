"""The server of this engine.

One coroutine per stream polls the subscription, writes what it gives, and rests on one future
until woken. Bytes pass through unserialised. grpcio ends the coroutine of a call whose client is
gone by cancelling it; that cancellation always propagates, since swallowing it leaks the call.
"""

import asyncio
import gc
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import grpc
import grpc.aio

from linkerd.rpc.file_descriptors import connection_limit
from linkerd.rpc.grpcio.calls import handler_of
from linkerd.rpc.metrics import RpcMetrics
from linkerd.rpc.options import ServerOptions
from linkerd.rpc.server import Server
from linkerd.runtime.values import HostPort

__all__ = ["GrpcServer", "ServerOptions"]

_MAX_METADATA_BYTES: Final = 16 << 10
_ENTRY_BYTES: Final = 200  # of Python's objects for a name and a value
_GARBAGE_BYTES: Final = 16 << 20
# grpcio forgets calls that come in while it turns to stop, and waits for them as long as it may.
# So once those that we know of have ended, it gets only this long to send what they said.
_FLUSH_SECONDS: Final = 0.5
_PING_STRIKES: Final = 0  # never punish a client for pinging; its interval is only a hint


class GrpcServer(Server):
    """The server of this engine."""

    _server: grpc.aio.Server

    async def _listen(self) -> int:
        metrics = RpcMetrics.of(self._registry)
        handlers = {
            path: handler_of(method, metrics.method(method), self.calls)
            for path, method in self._methods.items()
        }
        self._server = server = grpc.aio.server(options=channel_arguments(self.options))
        server.add_generic_rpc_handlers((_Handlers(handlers),))
        if self.options.reflection:
            _add_reflection(server, self._names)
        if self.options.channelz:
            _add_channelz(server)
        address = HostPort(self._address.host or "::", self._address.port)
        try:
            port = server.add_insecure_port(str(address))
        except RuntimeError as error:
            raise OSError(str(error)) from error
        await server.start()
        return port

    async def _wind_down(self, grace: float) -> None:
        going = asyncio.ensure_future(self._server.stop(grace))
        await asyncio.sleep(0)  # the GOAWAY goes first, so that nobody comes back on it
        self.calls.drain()
        idle = asyncio.ensure_future(self.calls.idle())
        await asyncio.wait((going, idle), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await asyncio.wait((going,), timeout=_FLUSH_SECONDS)
        if not going.done():
            # grpcio must not be asked to stop while it does: it would crash the process.
            going.cancel()
            await asyncio.wait((going,))
            await self._server.stop(None)


class _Handlers(grpc.GenericRpcHandler):
    """All methods by path; grpcio answers UNIMPLEMENTED for others.

    What grpcio looks a method up with, the call's metadata above all, it leaves in a cycle. The
    collector counts objects, and these are few, however large. So their bytes are counted here.
    """

    def __init__(self, handlers: "dict[str, grpc.RpcMethodHandler[Any, Any]]") -> None:
        self._handlers = handlers
        self._garbage_bytes = 0

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler of a path, or None."""
        metadata = handler_call_details.invocation_metadata or ()
        self._garbage_bytes += sum(_ENTRY_BYTES + len(key) + len(value) for key, value in metadata)
        if self._garbage_bytes > _GARBAGE_BYTES:
            self._garbage_bytes = 0
            gc.collect()
        return self._handlers.get(handler_call_details.method)


def channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """The options in the words of gRPC core."""
    arguments = {
        "grpc.max_concurrent_streams": options.max_connection_streams,
        "grpc.max_receive_message_length": options.max_receive_bytes,
        "grpc.keepalive_time_ms": _milliseconds(options.keepalive_interval),
        "grpc.keepalive_timeout_ms": _milliseconds(options.keepalive_timeout),
        # Without this one core waits a minute for the keepalive's ping, whatever the line above.
        "grpc.http2.ping_timeout_ms": _milliseconds(options.keepalive_timeout),
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.max_ping_strikes": _PING_STRIKES,
        "grpc.max_allowed_incoming_connections": connection_limit(options.max_connections),
        # Of two limits each, between which core refuses at random.
        "grpc.max_metadata_size": _MAX_METADATA_BYTES,
        "grpc.absolute_max_metadata_size": _MAX_METADATA_BYTES,
        "grpc.server.max_pending_requests": options.max_pending_calls,
        "grpc.server.max_pending_requests_hard_limit": options.max_pending_calls,
        "grpc.so_reuseport": 0,  # a second process on the port is a mistake, not a feature
        "grpc.enable_channelz": int(options.channelz),
    }
    if options.connection_age is not None:
        arguments["grpc.max_connection_age_ms"] = _milliseconds(options.connection_age)
        arguments["grpc.max_connection_age_grace_ms"] = _milliseconds(options.connection_age_grace)
    return list(arguments.items())


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _add_reflection(server: grpc.aio.Server, names: Sequence[str]) -> None:
    from grpc_reflection.v1alpha import reflection  # only where the flag asks for it

    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)


def _add_channelz(server: grpc.aio.Server) -> None:
    from grpc_channelz.v1 import channelz  # only where the flag asks for it

    channelz.add_channelz_servicer(server)
