"""A service as a process that is killed and started again in the same place."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

from linkerd.local.ports import choose_port
from tests.support.program import Program

_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "destination": ("--cluster-domain=cluster.local", "--identity-trust-domain=cluster.local"),
    "policy": ("--default-opaque-ports=",),
}


@dataclass(frozen=True)
class Replica:
    """Where a program serves, whichever process it is at the time."""

    kubeconfig: Path
    engine: str
    port: int
    admin: int
    service: str = "destination"

    @classmethod
    def of(cls, kubeconfig: Path, engine: str, service: str = "destination") -> "Replica":
        """A new place on loopback, for a service with this gRPC engine."""
        # Not from the range of clients' ports: one that knocks at a closed port of that range may
        # be given this very port, and then speaks with itself.
        port = choose_port("127.0.0.1", set())
        return cls(kubeconfig, engine, port, choose_port("127.0.0.1", {port}), service)

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> Program:
        """A process there."""
        return Program(
            f"services.{self.service}",
            f"--kubeconfig={self.kubeconfig}",
            f"--grpc-engine={self.engine}",
            f"--addr={self.address}",
            f"--admin-addr=127.0.0.1:{self.admin}",
            "--log-format=json",
            *_FLAGS[self.service],
            fork=False,
        )

    async def page(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the admin server."""
        return await asyncio.to_thread(_page, f"http://127.0.0.1:{self.admin}{path}")

    async def subscribers(self) -> int:
        """Streams that the program itself counts."""
        _, text = await self.page("/metrics")
        found = re.findall(
            r"^(?:endpoints_subscribers|service_subscribers|policy_streams)(?:\{.*\})? (\S+)$",
            text,
            re.MULTILINE,
        )
        return int(sum(map(float, found)))

    async def refuses(self) -> bool:
        """Whether nobody listens where proxies connect."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionRefusedError:
            return True
        writer.close()
        return False


def _page(url: str) -> tuple[int, str]:
    try:
        with urlopen(url) as response:  # the URL is ours
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def ready(program: Program) -> float:
    """When it was seen to be ready, in monotonic seconds."""
    await asyncio.to_thread(program.event, "ready")
    return time.monotonic()
