"""Who may call what: by identity, by network, by route. Each change is seen by running proxies."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from tests.support.eventually import until
from tests.support.mesh.scene import Scene, server_ref

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120), pytest.mark.xdist_group("mesh")]

_GROUP = "policy.linkerd.io"
_CALLERS = ("client", "other", "plain")


def mesh_tls(scene: Scene, name: str, *accounts: str) -> Mapping[str, str]:
    """An authentication of service accounts; a reference to it."""
    refs = [{"kind": "ServiceAccount", "name": account} for account in accounts]
    scene.create("meshtlsauthentications", name, {"identityRefs": refs})
    return {"group": _GROUP, "kind": "MeshTLSAuthentication", "name": name}


def networks(scene: Scene, name: str, *blocks: str) -> Mapping[str, str]:
    """An authentication of networks; a reference to it."""
    spec = {"networks": [{"cidr": block} for block in blocks]}
    scene.create("networkauthentications", name, spec)
    return {"group": _GROUP, "kind": "NetworkAuthentication", "name": name}


def statuses(scene: Scene, path: str = "/") -> tuple[int, ...]:
    """For a client of the mesh, another, and one outside of it."""
    target = scene.world["web-1"].at(scene.port)
    return tuple(scene.get(target, path, by=caller).status for caller in _CALLERS)


def await_statuses(scene: Scene, *wanted: int, path: str = "/") -> None:
    until(lambda: statuses(scene, path) == wanted, f"{wanted} for {_CALLERS}")


@pytest.fixture
def server(scene: Scene) -> str:
    """A Server that nobody may call yet."""
    scene.app("web-1")
    assert statuses(scene) == (200, 200, 200)
    name = scene.server()
    await_statuses(scene, 403, 403, 403)
    return name


def test_e01_clients_of_the_mesh(scene: Scene, server: str) -> None:
    scene.create("meshtlsauthentications", "anybody", {"identities": ["*"]})
    ref = {"group": _GROUP, "kind": "MeshTLSAuthentication", "name": "anybody"}
    scene.authorize("mesh", server_ref(server), ref)
    await_statuses(scene, 200, 200, 403)
    proxy, about = scene.world["web-1"].proxy, {"target_port": str(scene.port), "srv_name": server}
    assert proxy.metric("inbound_http_authz_allow_total", authz_name="mesh", **about) >= 2
    assert proxy.metric("inbound_http_authz_deny_total", **about) >= 1
    scene.delete("authorizationpolicies", "mesh")
    await_statuses(scene, 403, 403, 403)
    scene.delete("servers", server)
    await_statuses(scene, 200, 200, 200)


def test_one_identity(scene: Scene, server: str) -> None:
    scene.authorize("one", server_ref(server), mesh_tls(scene, "one", "client"))
    await_statuses(scene, 200, 403, 403)
    refs = [{"kind": "ServiceAccount", "name": "other"}]
    scene.change("meshtlsauthentications", "one", {"identityRefs": refs})
    await_statuses(scene, 403, 200, 403)
    scene.change("meshtlsauthentications", "one", {"identityRefs": None, "identities": ["*"]})
    await_statuses(scene, 200, 200, 403)


def test_e02_networks(scene: Scene, server: str) -> None:
    scene.authorize("near", server_ref(server), networks(scene, "near", "192.0.2.0/24"))
    scene.authorize("never", server_ref(server), mesh_tls(scene, "nobody", "nobody"))
    assert statuses(scene) == (403, 403, 403)
    block = [{"cidr": f"{scene.client.ip}/32"}]
    scene.change("networkauthentications", "near", {"networks": block})
    await_statuses(scene, 200, 403, 403)
    wide = [{"cidr": "10.0.0.0/8", "except": [f"{scene.client.ip}/32"]}]
    scene.change("networkauthentications", "near", {"networks": wide})
    await_statuses(scene, 403, 200, 200)


def test_e03_both_are_required(scene: Scene, server: str) -> None:
    identity = mesh_tls(scene, "who", "client", "other")
    where = networks(scene, "where", f"{scene.client.ip}/32", f"{scene.world['plain'].host.ip}/32")
    scene.authorize("both", server_ref(server), identity, where)
    await_statuses(scene, 200, 403, 403)


def test_e04_either_suffices(scene: Scene, server: str) -> None:
    scene.authorize("who", server_ref(server), mesh_tls(scene, "who", "client"))
    scene.authorize(
        "where", server_ref(server), networks(scene, "where", f"{scene.world['plain'].host.ip}/32")
    )
    await_statuses(scene, 200, 403, 200)


def test_e05_nothing_is_required(scene: Scene, server: str) -> None:
    scene.authorize("anybody", server_ref(server))
    await_statuses(scene, 200, 200, 200)


def test_an_authentication_that_comes_later(scene: Scene, server: str) -> None:
    later = {"group": _GROUP, "kind": "MeshTLSAuthentication", "name": "later"}
    scene.authorize("waiting", server_ref(server), later)
    scene.authorize(
        "sign", server_ref(server), networks(scene, "sign", f"{scene.world['plain'].host.ip}/32")
    )
    await_statuses(scene, 403, 403, 200)
    mesh_tls(scene, "later", "client")
    await_statuses(scene, 200, 403, 200)


def test_e06_a_route_has_its_own(scene: Scene, server: str) -> None:
    match = {"path": {"type": "Exact", "value": "/allowed"}}
    spec: dict[str, Any] = {"parentRefs": [server_ref(server)], "rules": [{"matches": [match]}]}
    scene.create("httproutes", "allowed", spec)
    target = {"group": _GROUP, "kind": "HTTPRoute", "name": "allowed"}
    scene.authorize("by-route", target, mesh_tls(scene, "by-route", "client"))
    await_statuses(scene, 200, 403, 403, path="/allowed")
    assert statuses(scene, "/else") == (404, 404, 404)
    told = scene.world["web-1"].proxy.metric(
        "inbound_http_authz_allow_total",
        target_port=str(scene.port),
        route_name="allowed",
        authz_name="by-route",
    )
    assert told >= 1
    scene.change("httproutes", "allowed", {"rules": [{"matches": [{"path": {"value": "/"}}]}]})
    await_statuses(scene, 200, 403, 403, path="/else")


def test_a_server_authorization(scene: Scene, server: str) -> None:
    client = {"meshTLS": {"serviceAccounts": [{"name": "client"}]}}
    scene.create("serverauthorizations", "old", {"server": {"name": server}, "client": client})
    await_statuses(scene, 200, 403, 403)
    scene.change(
        "serverauthorizations", "old", {"client": {"unauthenticated": True, "meshTLS": None}}
    )
    await_statuses(scene, 200, 200, 200)


def test_all_of_a_namespace(scene: Scene, server: str) -> None:
    target = {"kind": "Namespace", "name": scene.namespace}
    scene.authorize("all", target, mesh_tls(scene, "all", "other"))
    await_statuses(scene, 403, 200, 403)


def test_a_connection_ends_when_its_client_may_no_longer(scene: Scene) -> None:
    scene.tcp("web-1")
    server = scene.server(proxyProtocol="opaque", accessPolicy="all-unauthenticated")
    target = scene.world["web-1"].at(scene.port)
    until(lambda: scene.echoes(target, by="plain"), "the Server")
    with scene.world["plain"].host.connect(target.ip, target.port) as connection:
        connection.sendall(b"ping")
        assert connection.recv(10) == b"ping"
        scene.change("servers", server, {"accessPolicy": "deny"})
        with suppress(ConnectionResetError):
            assert connection.recv(10) == b""
    terminated = scene.world["web-1"].proxy.metric(
        "inbound_tcp_authz_terminate_total", target_port=str(scene.port), srv_name=server
    )
    assert terminated == 1
