"""Applications of a mesh: HTTP/1.1 and HTTP/2 on one port, gRPC, and plain TCP.

They run in the test's process, on sockets of their host; so a test reads what came in, and says
what goes out. `requests` and `connections` only grow.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import grpc
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

from tests.support.mesh.background import Background
from tests.support.mesh.hosts import Host

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\n"
_REST_OF_PREFACE: Final = b"SM\r\n\r\n"
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class Request:
    """What an application got; names of headers are in lower case."""

    version: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What an application says, `delay` seconds later."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0


class HttpApp:
    """Answers with what `answer` makes of a request: its own name, unless told otherwise."""

    def __init__(self, background: Background, host: Host, port: int, name: str = "") -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda _: Answer(body=name.encode())
        self.stop = background.serve(host.listen(port), self._connected)
        """Ends it and its connections."""

    def paths(self) -> list[str]:
        """Of all requests so far."""
        return [request.path for request in self.requests]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if head == _PREFACE:
                await reader.readexactly(len(_REST_OF_PREFACE))
                await _Http2(self, reader, writer).run(head + _REST_OF_PREFACE)
                return
            answer = await self.respond(await _http1_request(head, reader))
            fields = {"content-length": str(len(answer.body)), **answer.headers}
            lines = [f"HTTP/1.1 {answer.status} Said", *(f"{k}: {v}" for k, v in fields.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
            await writer.drain()

    async def respond(self, request: Request) -> Answer:
        """Notes a request; its answer, when it is due."""
        self.requests.append(request)
        answer = self.answer(request)
        await asyncio.sleep(answer.delay)
        return answer


async def _http1_request(head: bytes, reader: asyncio.StreamReader) -> Request:
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, path, version = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(version, method, path, headers, body)


class _Http2:
    """A connection of HTTP/2, from its preface to its end."""

    def __init__(
        self, app: HttpApp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._app = app
        self._reader = reader
        self._writer = writer
        config = H2Configuration(client_side=False, header_encoding="utf-8")
        self._wire = H2Connection(config)
        self._heads: dict[int, dict[str, str]] = {}
        self._bodies: defaultdict[int, bytes] = defaultdict(bytes)
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self, data: bytes) -> None:
        self._wire.initiate_connection()
        while data:
            for event in self._wire.receive_data(data):
                self._take(event)
            self._send()
            data = await self._reader.read(_CHUNK)

    def _take(self, event: events.Event) -> None:
        match event:
            case events.RequestReceived():
                self._heads[event.stream_id] = {str(k): str(v) for k, v in event.headers}
            case events.DataReceived():
                self._bodies[event.stream_id] += event.data
                self._wire.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case events.StreamEnded():
                task = asyncio.get_running_loop().create_task(self._respond(event.stream_id))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case events.StreamReset():
                self._heads.pop(event.stream_id, None)
            case _:
                pass

    async def _respond(self, stream_id: int) -> None:
        fields = dict(self._heads[stream_id])
        method, path = fields.pop(":method"), fields.pop(":path")
        body = self._bodies.pop(stream_id, b"")
        answer = await self._app.respond(Request("HTTP/2", method, path, fields, body))
        if self._heads.pop(stream_id, None) is None:
            return  # the client did not wait
        pairs = [(":status", str(answer.status)), *answer.headers.items()]
        self._wire.send_headers(stream_id, pairs)
        self._wire.send_data(stream_id, answer.body, end_stream=True)
        self._send()

    def _send(self) -> None:
        self._writer.write(self._wire.data_to_send())


class TcpApp:
    """Echoes, behind a greeting of its own if it has one: a server that speaks first."""

    def __init__(
        self, background: Background, host: Host, port: int, *, greeting: bytes = b""
    ) -> None:
        self.connections = 0
        self._greeting = greeting
        background.serve(host.listen(port), self._connected)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self._greeting)
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()


class GrpcApp:
    """A real gRPC server of `shop.Ledger`, whose methods `Get` and `Put` answer with what `answer`
    makes of the method's name: bytes, or a status code."""

    def __init__(self, host: Host, port: int, name: str = "") -> None:
        self.calls: list[str] = []
        self.metadata: list[dict[str, str]] = []
        self.answer: Callable[[str], bytes | grpc.StatusCode] = lambda _: name.encode()
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            method: grpc.unary_unary_rpc_method_handler(self._handler(method))
            for method in ("Get", "Put")
        }
        generic = grpc.method_handlers_generic_handler("shop.Ledger", handlers)
        self._server.add_generic_rpc_handlers((generic,))
        with host.entered():
            self._server.add_insecure_port(f"{host.ip}:{port}")
        self._server.start()

    def stop(self) -> None:
        """Ends it and its connections."""
        self._server.stop(None).wait()

    def _handler(self, method: str) -> "Callable[[bytes, grpc.ServicerContext], bytes]":
        def handle(_: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append(method)
            self.metadata.append({key: str(text) for key, text in context.invocation_metadata()})
            answer = self.answer(method)
            if isinstance(answer, grpc.StatusCode):
                context.abort(answer, "as the test says")
            return answer

        return handle
