"""The common way of a service to its clients: an engine with the settings that all share."""

from dataclasses import replace
from typing import Final

from linkerd.rpc.engines import ENGINES, Engine
from linkerd.rpc.methods import ServiceTable
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import CLEANUP_SECONDS, Process
from linkerd.runtime.settings import GrpcSettings

_GRACE: Final = 5.0  # seconds for unary calls to finish once the server stops; a token review's
_log = get_logger(__name__)


async def serve(
    settings: GrpcSettings,
    process: Process,
    *tables: ServiceTable,
    limits: ServerOptions | None = None,
) -> Engine:
    """Serves `tables` on the settings' address until the process stops. `limits` are the service's
    own; what settings decide is taken from them. Raises StartError when the address is not to be
    had, or the engine lacks what they ask for."""
    server = ENGINES[settings.grpc_engine](
        settings.addr,
        tables,
        readiness=process.readiness,
        registry=process.registry,
        options=replace(
            limits or ServerOptions(),
            lame_duck=settings.lame_duck,
            reflection=settings.enable_reflection,
            channelz=settings.enable_channelz,
            connection_age=settings.grpc_connection_age or None,
        ),
        clock=process.clock,
    )
    port = await server.start()
    limit = settings.lame_duck.total_seconds() + _GRACE + CLEANUP_SECONDS
    process.defer(lambda: server.stop(_GRACE), seconds=limit)
    _log.info("serving", addr=str(settings.addr), port=port, engine=settings.grpc_engine)
    return server
