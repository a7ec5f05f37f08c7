"""`grpc.health.v1`, answered from the readiness of the process.

The server ("") and each of its services share one state: serving while the process is ready. Being
a table like any other, it is served by every engine.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2

from linkerd.rpc.methods import Call, RpcError, ServiceTable, service
from linkerd.runtime.readiness import Readiness
from linkerd.streams import Cursor, Topic

_pb: Final[Any] = health_pb2  # untyped: the published stubs are older than the messages
_SERVING: Final[int] = _pb.HealthCheckResponse.SERVING
_NOT_SERVING: Final[int] = _pb.HealthCheckResponse.NOT_SERVING
_SERVICE_UNKNOWN: Final[int] = _pb.HealthCheckResponse.SERVICE_UNKNOWN

NAME: Final = "grpc.health.v1.Health"


class Health:
    """The health service of a server with the services `names`."""

    def __init__(self, readiness: Readiness, names: Iterable[str]) -> None:
        self._readiness = readiness
        self._names = ("", *names)
        self._known = Topic(_delta, self._status())
        self._unknown = Topic(_delta, _SERVICE_UNKNOWN)
        readiness.on_change(lambda _ready: self._known.publish(self._status()))

    def table(self) -> ServiceTable:
        """The service to serve."""
        descriptor = _pb.DESCRIPTOR.services_by_name["Health"]
        return service(descriptor, Check=self._check, List=self._list, Watch=self._watch)

    def _status(self) -> int:
        return _SERVING if self._readiness.ready else _NOT_SERVING

    async def _check(self, request: Any, _call: Call) -> Any:
        if request.service not in self._names:
            raise RpcError(grpc.StatusCode.NOT_FOUND, "service: this server has none of that name")
        return _pb.HealthCheckResponse(status=self._status())

    async def _list(self, _request: Any, _call: Call) -> Any:
        answer = _pb.HealthCheckResponse(status=self._status())
        return _pb.HealthListResponse(statuses=dict.fromkeys(self._names, answer))

    async def _watch(self, request: Any, _call: Call) -> Cursor[int]:
        topic = self._known if request.service in self._names else self._unknown
        return topic.subscribe()


def _delta(_last: int | None, current: int) -> Sequence[bytes]:
    return (_pb.HealthCheckResponse(status=current).SerializeToString(),)
