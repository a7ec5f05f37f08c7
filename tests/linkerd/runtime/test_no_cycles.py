"""What requests held is freed when they end, by counting references: the garbage collector of a
service comes by rarely. Over uvloop, as services run; the connections of asyncio's own loop are
cycles in themselves."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import uvloop

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import KubeError
from linkerd.runtime.admin import AdminServer
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.settings import HostPort
from tests.support.cycles import left_in_cycles

GOOD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
ANSWERS: Final = {
    "good": GOOD,
    "failed": GOOD.replace(b"200 OK", b"500 Internal Server Error"),
    "unauthorized": GOOD.replace(b"200 OK", b"401 Unauthorized"),
    "nonsense": b"nonsense\r\n\r\n",
    "none": b"",
}
LOST: Final = b"HTTP/1.1 "
"""Half an answer, after which the connection ends."""


async def peer(answer: bytes) -> asyncio.Server:
    """Answers every request so; ends the connection after half an answer and after none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
                if not answer.endswith((b"\n", b"}")):
                    break
        writer.transport.abort()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


def kubeconfig(path: Path, port: int) -> Path:
    """For a peer without TLS."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {"token": "mine"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("answer", [*ANSWERS.values(), LOST], ids=[*ANSWERS, "half"])
def test_requests_to_the_api_server(answer: bytes, tmp_path: Path) -> None:
    async def run() -> list[int]:
        server = await peer(answer)
        config = kubeconfig(tmp_path / "config", server.sockets[0].getsockname()[1])
        async with await KubeClient.connect(config, user_agent="test") as client:

            async def post() -> None:
                with suppress(KubeError):
                    await client.post("/x", b"", timeout=5)

            async def get() -> None:
                with suppress(KubeError):
                    await client.request("GET", "/x", timeout=5)

            found = [await left_in_cycles(post), await left_in_cycles(get)]
        server.close()
        return found

    assert uvloop.run(run()) == [0, 0]


@pytest.mark.parametrize("path", ["/ping", "/ready", "/metrics", "/nothing"])
def test_requests_to_the_admin_server(path: str) -> None:
    async def run() -> int:
        address = HostPort("127.0.0.1", 0)
        server = AdminServer(address, readiness=Readiness(), registry=registry())
        port = await server.start()

        async def ask() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert await reader.read()
            writer.close()

        found = await left_in_cycles(ask)
        await server.stop()
        return found

    assert uvloop.run(run()) == 0
