"""The engines by name, and what all of them promise."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from prometheus_client import CollectorRegistry

from linkerd.rpc.grpcio.server import GrpcServer
from linkerd.rpc.h2.server import H2Server
from linkerd.rpc.methods import ServiceTable
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.clock import Clock
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort


class Engine(Protocol):
    """A server that an engine runs."""

    port: int

    async def start(self) -> int:
        """Listens; the port. Raises StartError when the address is not to be had."""

    async def stop(self, grace: float) -> None:
        """Stops serving in order; unary calls have `grace` seconds to finish."""


class EngineFactory(Protocol):
    """How an engine is made. Raises StartError for options that it has not."""

    def __call__(
        self,
        address: HostPort,
        tables: Sequence[ServiceTable],
        *,
        readiness: Readiness,
        registry: CollectorRegistry,
        options: ServerOptions | None = None,
        clock: Clock | None = None,
    ) -> Engine: ...


ENGINES: Final[Mapping[str, EngineFactory]] = {"grpcio": GrpcServer, "h2": H2Server}
