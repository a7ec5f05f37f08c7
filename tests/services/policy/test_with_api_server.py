"""The program beside a real API server: what people write there is what proxies hear."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from linkerd.stubs.proxy import inbound_pb2 as pb
from tests.support.policy.program import Client, Objects

pytestmark = pytest.mark.integration

HTTP = {"name": "http", "containerPort": 8080}
ROUTE = {
    "parentRefs": [{"group": "policy.linkerd.io", "kind": "Server", "name": "web"}],
    "rules": [{"matches": [{"path": {"value": "/books"}}]}],
}


def named(kind: str, name: str) -> Callable[[pb.Server], bool]:
    """Whether a port is told to be this Server's, or to have this default policy."""
    return lambda server: (server.labels["kind"], server.labels["name"]) == (kind, name)


async def test_a_port_from_its_default_to_a_server_and_back(
    client: Client, objects: Objects
) -> None:
    objects.pod("web", HTTP, labels={"app": "web"})
    stream = await client.known_port("web", 8080)
    await stream.until(named("default", "all-unauthenticated"))
    assert stream.told.protocol.WhichOneof("kind") == "detect"
    selector = {"matchLabels": {"app": "web"}}
    objects.create("servers", "web", {"port": "http", "podSelector": selector})
    await stream.until(named("server", "web"))
    assert not stream.told.authorizations
    objects.create(
        "serverauthorizations",
        "all",
        {"server": {"name": "web"}, "client": {"unauthenticated": True}},
    )
    await stream.until(lambda server: len(server.authorizations) == 1)
    objects.change("servers", "web", {"proxyProtocol": "opaque"})
    await stream.until(lambda server: server.protocol.WhichOneof("kind") == "opaque")
    objects.delete("servers", "web")
    await stream.until(named("default", "all-unauthenticated"))
    objects.delete("pods", "web")
    assert await stream.ended() is grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("plural", "spec"),
    [
        ("httproutes", ROUTE),
        ("gatewayhttproutes", ROUTE),
    ],
)
async def test_a_route_that_is_accepted(
    client: Client, objects: Objects, plural: str, spec: dict[str, Any]
) -> None:
    objects.pod("web", HTTP)
    objects.create("servers", "web", {"port": 8080, "podSelector": {}})
    stream = await client.known_port("web", 8080)
    await stream.until(named("server", "web"))
    (default,) = stream.told.protocol.detect.http_routes
    assert default.metadata.default == "default"
    objects.create(plural, "books", spec)
    objects.accept(plural, "books", spec["parentRefs"][0])
    await stream.until(
        lambda server: (
            [r.metadata.resource.name for r in server.protocol.detect.http_routes] == ["books"]
        )
    )


async def test_who_is_not_there(client: Client) -> None:
    assert await client.port("nobody", 8080).ended() is grpc.StatusCode.NOT_FOUND
    assert await client.port("nobody", 0).ended() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_service_from_its_default_to_a_route_and_back(
    client: Client, objects: Objects
) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "mysql", "port": 3306}]
    ip = objects.create("services", "web", {"ports": ports})["spec"]["clusterIP"]
    stream = client.service("web", 80)
    await stream.until(lambda policy: policy.protocol.WhichOneof("kind") == "detect")
    by_ip = await client.known_address(ip, 3306)
    await by_ip.until(lambda policy: policy.protocol.WhichOneof("kind") == "opaque")
    parent = {"group": "core", "kind": "Service", "name": "web", "port": 80}
    spec = {**ROUTE, "parentRefs": [parent]}
    objects.create("gatewayhttproutes", "books", spec)
    objects.accept("gatewayhttproutes", "books", parent)
    await stream.until(routes("books"))
    objects.delete("gatewayhttproutes", "books")
    await stream.until(lambda policy: not routes("books")(policy))
    assert len(by_ip.messages) == 1


def routes(*names: str) -> Callable[[Any], bool]:
    """Whether these routes are told, by their names, of HTTP/1."""
    return lambda policy: (
        [route.metadata.resource.name for route in policy.protocol.detect.http1.routes]
        == list(names)
    )
