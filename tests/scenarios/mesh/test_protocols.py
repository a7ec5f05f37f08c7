"""HTTP/1, HTTP/2, gRPC, and TCP of all kinds, through both proxies."""

import time
from contextlib import suppress
from dataclasses import replace

import grpc
import pytest

from linkerd.mesh.labels import OPAQUE_PORTS
from tests.support.eventually import until
from tests.support.mesh.apps import Answer, GrpcApp, TcpApp
from tests.support.mesh.calls import Target, grpc_channel, http2, rpc
from tests.support.mesh.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]

_DETECTION: float = 10.0  # seconds that a proxy waits for a client to speak


def talk(scene: Scene, target: Target, text: bytes = b"ping") -> bytes:
    """What a TCP server says when the client speaks; empty when it closes."""
    with scene.client.connect(target.ip, target.port) as connection:
        with suppress(ConnectionError):
            connection.sendall(text)
            return connection.recv(100)
        return b""


def tls_connections(scene: Scene, port: int) -> float:
    """How many the proxy of web-1 accepted for a port, with an identity."""
    return scene.world["web-1"].proxy.metric(
        "tcp_open_total",
        direction="inbound",
        peer="src",
        target_port=str(port),
        tls="true",
        client_id=scene.world["client"].identity,
    )


def test_http1_stays_http1_for_applications(scene: Scene) -> None:
    app = scene.app("web-1")
    app.answer = lambda request: Answer(201, {"x-app": "yes"}, request.body)
    service = scene.service("web-1")
    answer = scene.get(service, "/a?b=c", method="POST", body=b"words", headers={"X-Own": "1"})
    assert (answer.status, answer.headers["x-app"], answer.text) == (201, "yes", "words")
    assert not [name for name in answer.headers if name.startswith("l5d-")]
    (request,) = app.requests
    assert (request.version, request.method, request.path) == ("HTTP/1.1", "POST", "/a?b=c")
    assert (request.headers["host"], request.headers["x-own"]) == (service.authority, "1")


def test_http1_is_carried_by_http2_between_proxies(scene: Scene) -> None:
    scene.app("web-1")
    scene.get(scene.service("web-1"))
    carried = scene.world["web-1"].proxy.metric(
        "inbound_tcp_transport_header_connections_total",
        session_protocol="http/2",
        target_port=str(scene.port),
    )
    assert carried == 1


def test_http2(scene: Scene) -> None:
    app = scene.app("web-1")
    answer = http2(scene.client, scene.service("web-1"), "/h2", headers={"x-own": "1"})
    assert (answer.status, answer.text) == (200, "web-1")
    (request,) = app.requests
    assert (request.version, request.path, request.headers["x-own"]) == ("HTTP/2", "/h2", "1")


@pytest.mark.parametrize("protocol", ["kubernetes.io/h2c", "http"])
def test_a_port_that_names_its_protocol(scene: Scene, protocol: str) -> None:
    scene.app("web-1")
    service = scene.service("web-1", appProtocol=protocol)
    if protocol == "http":
        assert scene.get(service).text == "web-1"
    else:
        assert http2(scene.client, service).text == "web-1"


def test_grpc(scene: Scene) -> None:
    app = GrpcApp(scene.world["web-1"].host, scene.port, "ledger")
    service = scene.service("web-1")
    with grpc_channel(scene.world.background, scene.client, service) as channel:
        assert rpc(channel) == b"ledger"
        app.answer = lambda _: grpc.StatusCode.ALREADY_EXISTS
        assert rpc(channel, "Put") is grpc.StatusCode.ALREADY_EXISTS
    assert app.metadata[0]["l5d-client-id"] == scene.world["client"].identity
    for status, classification in (("0", "success"), ("6", "success")):
        labels = {"grpc_status": status, "classification": classification}
        proxy = scene.world["client"].proxy
        assert proxy.metric("response_total", authority=service.authority, **labels) == 1
    app.stop()


def test_tcp_that_the_client_begins(scene: Scene) -> None:
    TcpApp(scene.world.background, scene.world["web-1"].host, scene.port)
    assert talk(scene, scene.service("web-1"), b"not http\r\n") == b"not http\r\n"
    assert tls_connections(scene, scene.port) == 1


def test_a_server_that_speaks_first_on_an_opaque_port(scene: Scene) -> None:
    world, opaque = scene.world, {OPAQUE_PORTS: f"8080,{scene.port}"}
    TcpApp(world.background, world["web-1"].host, scene.port, greeting=b"220 ready\r\n")
    scene.annotate("pods", "web-1", opaque)
    service = scene.service("web-1", annotations=opaque)
    start = time.monotonic()
    with scene.client.connect(service.ip, service.port) as connection:
        assert connection.recv(100) == b"220 ready\r\n"
        connection.sendall(b"quit\r\n")
        assert connection.recv(100) == b"quit\r\n"
    assert time.monotonic() - start < _DETECTION / 2
    assert tls_connections(scene, scene.port) == 1


def test_a_port_becomes_opaque_while_proxies_run(scene: Scene) -> None:
    scene.app("web-1")
    service, proxy = scene.service("web-1"), scene.world["client"].proxy

    def requests() -> float:
        return proxy.metric("request_total", direction="outbound", authority=service.authority)

    scene.get(service)
    assert requests() == 1
    scene.annotate("services", service.name, {OPAQUE_PORTS: "8080"})

    def is_opaque() -> bool:
        before = requests()
        assert scene.get(service).text == "web-1"
        return requests() == before

    until(is_opaque, "a request that is not seen")


def test_e13_opaque_by_its_protocol_is_not_seen_as_http(scene: Scene) -> None:
    scene.app("web-1")
    service = scene.service("web-1", appProtocol="linkerd.io/opaque")
    assert scene.get(service).text == "web-1"
    proxy = scene.world["client"].proxy
    about = {"parent_name": service.name}
    assert proxy.metric("outbound_http_route_request_statuses_total", **about) == 0
    assert proxy.metric("request_total", authority=service.authority) == 0
    assert proxy.metric("outbound_tcp_route_open_total", **about) == 1


def test_e14_a_port_that_a_service_has_not(scene: Scene) -> None:
    scene.app("web-1")
    service = scene.service("web-1")
    assert talk(scene, replace(service, port=8081), b"GET / HTTP/1.1\r\n\r\n") == b""
    closed = scene.world["client"].proxy.metric(
        "outbound_tcp_route_close_total", parent_name=service.name, error="forbidden"
    )
    assert closed == 1


def test_a_pod_is_called_by_its_own_address(scene: Scene) -> None:
    app = scene.app("web-2")
    target = scene.world["web-2"].at(scene.port)
    assert scene.get(target).text == "web-2"
    assert app.requests[0].headers["l5d-client-id"] == scene.world["client"].identity
