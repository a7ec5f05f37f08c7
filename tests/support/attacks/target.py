"""The server that is attacked: an engine and a real admin server in a process as in production.

`Certify` repeats the identity it is asked for, `Get` watches a topic that never changes or one that
ticks, and `GetProfile` watches one whose message is large.
"""

import asyncio
import gc
import os
import resource
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import grpc

from linkerd.rpc.engines import ENGINES
from linkerd.rpc.h2 import budget
from linkerd.rpc.methods import Call, RpcError, ServiceTable, service
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.admin import AdminServer
from linkerd.runtime.logs import configure_logging
from linkerd.runtime.process import Process, run
from linkerd.runtime.values import HostPort
from linkerd.streams import Subscription, Topic
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.attacks import frames, priority
from tests.support.attacks.garbage import garbage

_ANY_PORT: Final = HostPort("127.0.0.1", 0)
_BURST: Final = budget.BURST
_SMALL: Final = bytes(100)
_LARGE: Final = bytes(1_000_000)


class Tables:
    """What is served."""

    def __init__(self) -> None:
        self.small = Topic(lambda _last, _current: (_SMALL,), 0)
        self._ticks = Topic(self._tick, 0)
        self._began = 0
        self.large = Topic(lambda _last, _current: (_LARGE,), 0)
        self._waiting = 0

    async def tick(self) -> None:
        """Changes what `ticks` watch, again and again."""
        number, self._began = 0, time.monotonic_ns()
        while True:
            number += 1
            await asyncio.sleep(number * frames.TICK_SECONDS - self._since_began())
            self._ticks.publish(number)

    def _since_began(self) -> float:
        return (time.monotonic_ns() - self._began) / 1e9

    def _tick(self, last: int | None, current: int) -> Sequence[bytes]:
        oldest = current if last is None else last + 1
        due = self._began + int(oldest * frames.TICK_SECONDS * 1e9)
        return (due.to_bytes(8),)

    @property
    def in_progress(self) -> int:
        """Calls that watch or wait."""
        return self.small.subscribers + self.large.subscribers + self._waiting

    async def _wait(self) -> None:
        """Until it is cancelled."""
        self._waiting += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._waiting -= 1

    def all(self) -> Sequence[ServiceTable]:
        """The tables."""
        destination = destination_pb2.DESCRIPTOR.services_by_name["Destination"]
        identity = identity_pb2.DESCRIPTOR.services_by_name["Identity"]
        return [
            service(destination, Get=self._get, GetProfile=self._get_profile),
            service(identity, Certify=self._certify),
        ]

    async def _get(self, request: destination_pb2.GetDestination, _call: Call) -> Subscription:
        if request.scheme == "ticks":
            return self._ticks.subscribe()
        return self.small.subscribe()

    async def _get_profile(self, _request: Any, _call: Call) -> Subscription:
        return self.large.subscribe()

    async def _certify(self, request: identity_pb2.CertifyRequest, _call: Call) -> Any:
        match request.identity:
            case "refuse":
                raise RpcError(grpc.StatusCode.INVALID_ARGUMENT, "identity: refused")
            case "crash":
                raise ValueError("the inner secret")
            case "wait":
                await self._wait()
        names = [request.identity.encode()]
        return identity_pb2.CertifyResponse(intermediate_certificates=names)


def serve(
    says: Connection,
    engine: str,
    options: Mapping[str, Any],
    log: Path,
    files: int,
    burst: int,
    niceness: int,
) -> None:
    """The process: says its two ports and answers questions until it is killed. It may have so
    many `files` open, and peers of the h2 engine have a budget of `burst`; 0 leaves that as it is.
    """
    priority.take(niceness)
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if burst:
        _give(burst)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    configure_logging("warn", "json")

    async def main(process: Process) -> None:
        tables = Tables()
        admin = AdminServer(_ANY_PORT, readiness=process.readiness, registry=process.registry)
        server = ENGINES[engine](
            _ANY_PORT,
            tables.all(),
            readiness=process.readiness,
            registry=process.registry,
            options=ServerOptions(**options),
        )
        admin_port = await admin.start()
        process.defer(admin.stop)
        port = await server.start()
        process.defer(lambda: server.stop(0))
        answer = _Answers(tables, says)
        asyncio.get_running_loop().add_reader(says.fileno(), answer.next)
        process.start("ticks", tables.tick())
        says.send((port, admin_port))

    run(main, name="target")


def _give(burst: int) -> None:
    """Makes `burst` the budget of peers of the h2 engine, and the rest in proportion."""
    for name in ("BURST", "DEBT", "_MEAGRE"):
        setattr(budget, name, getattr(budget, name) * burst // _BURST)


class _Answers:
    """What the process says about itself when it is asked."""

    def __init__(self, tables: Tables, says: Connection) -> None:
        self._tables = tables
        self._says = says

    def next(self) -> None:
        """Answers one question."""
        try:
            asked = self._says.recv()
        except EOFError:
            os._exit(0)  # who asked is gone
        match asked:
            case "clean":  # from now on nothing is collected but on "garbage"
                gc.collect()
                gc.disable()
                self._says.send(None)
            case "garbage":
                self._says.send(garbage())
            case "calls":
                self._says.send(self._tables.in_progress)
