"""What leaves the cluster."""

import socket
import ssl
from typing import Any

import pytest

from tests.support.eventually import until
from tests.support.mesh.apps import HttpApp, TcpApp
from tests.support.mesh.calls import Target
from tests.support.mesh.scene import Scene, route_to
from tests.support.mesh.world import Address

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]


def network(scene: Scene, policy: str, ip: str) -> str:
    """An EgressNetwork of one address; its name."""
    spec = {"trafficPolicy": policy, "networks": [{"cidr": f"{ip}/32"}]}
    scene.create("egressnetworks", scene.name, spec)
    return scene.name


def parent(scene: Scene) -> dict[str, Any]:
    return {"group": "policy.linkerd.io", "kind": "EgressNetwork", "port": scene.port}


@pytest.fixture
def outside(scene: Scene) -> Target:
    """An application beyond the cluster."""
    HttpApp(scene.world.background, scene.world.outside, scene.port, "outside")
    return Address(scene.world.outside.ip, scene.port)


def test_without_a_network_all_may_leave(scene: Scene, outside: Target) -> None:
    assert scene.get(outside).text == "outside"


def test_e11_deny_and_what_a_route_allows(scene: Scene, outside: Target) -> None:
    assert scene.get(outside, "/ok").status == 200
    name = network(scene, "Deny", outside.ip)
    scene.until_status(403, outside, "/ok")
    match = {"matches": [{"path": {"type": "Exact", "value": "/ok"}}]}
    scene.create("gatewayhttproutes", "out", route_to(name, match, **parent(scene)))
    scene.until_status(200, outside, "/ok")
    assert scene.get(outside, "/else").status == 403
    scene.delete("gatewayhttproutes", "out")
    scene.until_status(403, outside, "/ok")
    scene.change("egressnetworks", name, {"trafficPolicy": "Allow"})
    scene.until_status(200, outside, "/ok")
    allowed = scene.world["client"].proxy.metric(
        "outbound_http_route_request_statuses_total",
        parent_name=name,
        route_name="http-egress-allow",
        http_status="200",
    )
    assert allowed >= 1


def test_e12_tls_and_tcp_are_led_inside(scene: Scene) -> None:
    """Connections to outside end at services of the cluster."""
    background, outside = scene.world.background, scene.world.outside
    TcpApp(background, outside, scene.port, greeting=b"outside ")
    TcpApp(background, scene.world["web-1"].host, scene.port, greeting=b"inside ")
    target = Address(outside.ip, scene.port)
    inside = scene.service("web-1", appProtocol="linkerd.io/opaque")
    scene.annotate("pods", "web-1", {"config.linkerd.io/opaque-ports": str(scene.port)})
    name = network(scene, "Allow", outside.ip)
    rule = {"backendRefs": [{"name": inside.name, "port": 8080}]}
    scene.create("tcproutes", "in", route_to(name, rule, **parent(scene)))
    until(lambda: greeting(scene, target) == b"inside ", "the route")
    scene.delete("tcproutes", "in")
    until(lambda: greeting(scene, target) == b"outside ", "no route")
    spec = {**route_to(name, rule, **parent(scene)), "hostnames": ["books.example.org"]}
    scene.create("tlsroutes", "in-tls", spec)
    hello = client_hello("books.example.org")
    until(lambda: greeting(scene, target, hello) == b"inside ", "the route of TLS")
    other = client_hello("films.example.org")
    assert greeting(scene, target, other) == b"outside "


def test_a_denied_connection_is_closed(scene: Scene) -> None:
    background, outside = scene.world.background, scene.world.outside
    TcpApp(background, outside, scene.port, greeting=b"outside ")
    target = Address(outside.ip, scene.port)
    assert greeting(scene, target) == b"outside "
    network(scene, "Deny", outside.ip)
    until(lambda: greeting(scene, target) == b"", "the end")


def greeting(scene: Scene, target: Target, hello: bytes = b"no http\r\n") -> bytes:
    """The first 20 bytes at most that come back on a connection that the client begins; empty when
    it is closed."""
    with scene.client.connect(target.ip, target.port) as connection:
        try:
            connection.sendall(hello)
            said: bytes = connection.recv(20)
        except ConnectionError:
            return b""
        return said.partition(b" ")[0] + b" " if said else b""


def client_hello(name: str) -> bytes:
    """The first bytes of a TLS client that wants a server of that name."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        context = ssl.create_default_context()
        tls = context.wrap_socket(ours, server_hostname=name, do_handshake_on_connect=False)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        hello: bytes = theirs.recv(1 << 14)
        tls.detach()
        return hello
