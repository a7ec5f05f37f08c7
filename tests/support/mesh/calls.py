"""What applications of a mesh send: requests and connections from a host, by address."""

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import grpc
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection

from tests.support.mesh.background import Background
from tests.support.mesh.hosts import Host

_CHUNK: Final = 1 << 16


class Target(Protocol):
    """What can be called, and by which name."""

    @property
    def ip(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def authority(self) -> str: ...


@dataclass(frozen=True)
class Response:
    """An answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode()


def http1(
    host: Host,
    target: Target,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Response:
    """A request of HTTP/1.1 on a connection of its own. Raises OSError or HTTPException when there
    is no answer."""
    connection = http.client.HTTPConnection(target.ip, target.port)
    connection.sock = host.connect(target.ip, target.port)
    try:
        fields = {"Host": target.authority, **(headers or {})}
        connection.request(method, path, body, fields)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Response(response.status, found, response.read())
    finally:
        connection.close()


def http2(
    host: Host, target: Target, path: str = "/", *, headers: Mapping[str, str] | None = None
) -> Response:
    """A GET of HTTP/2, whose client knows beforehand that the server speaks it. Raises OSError when
    there is no answer."""
    wire = H2Connection(H2Configuration(header_encoding="utf-8"))
    with host.connect(target.ip, target.port) as connection:
        wire.initiate_connection()
        fields = {
            ":method": "GET", ":scheme": "http", ":path": path, ":authority": target.authority,
            **(headers or {}),
        }  # fmt: skip
        wire.send_headers(1, list(fields.items()), end_stream=True)
        found: dict[str, str] = {}
        body = b""
        while True:
            connection.sendall(wire.data_to_send())
            data = connection.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("the connection ended before the answer")
            for event in wire.receive_data(data):
                match event:
                    case events.ResponseReceived():
                        found = {str(k): str(v) for k, v in event.headers}
                    case events.DataReceived():
                        body += event.data
                    case events.StreamReset():
                        raise ConnectionResetError(f"stream reset: {event.error_code}")
                    case events.StreamEnded():
                        return Response(int(found[":status"]), found, body)
                    case _:
                        pass


@contextmanager
def grpc_channel(background: Background, host: Host, target: Target) -> Iterator[grpc.Channel]:
    """A channel of grpcio, which has no say in where its sockets are: it calls a port of loopback,
    from where bytes go to the host and on."""
    door = socket.create_server(("127.0.0.1", 0))
    number = door.getsockname()[1]
    stop = background.relay(door, host.unconnected, (target.ip, target.port))
    options = [("grpc.default_authority", target.authority), ("grpc.enable_retries", 0)]
    try:
        with grpc.insecure_channel(f"127.0.0.1:{number}", options) as channel:
            yield channel
    finally:
        stop()


def rpc(
    channel: grpc.Channel, method: str = "Get", *, metadata: Mapping[str, str] | None = None
) -> bytes | grpc.StatusCode:
    """What `shop.Ledger` answers."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/shop.Ledger/{method}")
    try:
        return call(b"", timeout=10, metadata=tuple((metadata or {}).items()))
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
