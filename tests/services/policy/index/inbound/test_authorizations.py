"""Who may call a Server's ports."""

from typing import Any, Final

import msgspec
import pytest

from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.events import Applied
from linkerd.kube.objects import AuthorizationPolicy
from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.inbound import answers
from services.policy.index.kinds import Kind
from tests.support.policy.inbound import World, plain
from tests.support.policy.objects import POLICY, item

_ALL: Final[Any] = [{"net": {"ip": {"ipv4": 0}}}, {"net": {"ip": {"ipv6": {}}}}]
_CLUSTER: Final[Any] = [{"net": {"ip": {"ipv4": 10 << 24}, "prefix_len": 8}}]
_TEN_ONE: Final[Any] = [{"net": {"ip": {"ipv4": (10 << 24) + (1 << 16)}, "prefix_len": 16}}]
_ANYONE: Final[Any] = {"unauthenticated": {}}
_SERVER: Final = {"group": POLICY, "kind": "Server", "name": "web"}


def _account(name: str, namespace: str = "fin") -> str:
    return f"{name}.{namespace}.serviceaccount.identity.linkerd.cluster.local"


def _of(*names: str, suffixes: Any = None) -> Any:
    identities: dict[str, Any] = {"identities": [{"name": name} for name in names]} if names else {}
    return {"meshTLS": {"identities": identities | ({"suffixes": suffixes} if suffixes else {})}}


def _world(**server: Any) -> World:
    world = World()
    world.pod()
    world.server(**server)
    return world


def _allowed(server: pb.Server) -> dict[str, Any]:
    """Networks and authentication of each authorization, by the name of its kind and its own."""
    found = {}
    for authz in plain(server).get("authorizations", []):
        labels, metadata = authz["labels"], authz["metadata"]
        expected = {"resource": labels} if labels["group"] else {"default": labels["name"]}
        assert metadata == expected
        name = f"{labels['kind']} {labels['name']}"
        found[name] = (authz["networks"], authz["authentication"])
    return found


def _put_authz(world: World, client: Any, server: Any = None, name: str = "saz") -> Any:
    spec = {"server": server or {"name": "web"}, "client": client}
    return world.put(Kind.SERVER_AUTHORIZATION, name, spec)


def _put_policy(world: World, *refs: Any, target: Any = None, **more: Any) -> Any:
    spec = {"targetRef": target or _SERVER, "requiredAuthenticationRefs": list(refs)}
    return world.put(Kind.AUTHORIZATION_POLICY, "policy", spec, **more)


def _ref(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"group": POLICY, "kind": kind, "name": name, **more}


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("all-unauthenticated", id="i22"),
        pytest.param("audit", id="i23"),
    ],
)
def test_a_server_may_allow_by_itself(policy: str) -> None:
    server = _world(accessPolicy=policy).told()
    assert server.labels["kind"] == "server"
    assert _allowed(server) == {f"default {policy}": (_ALL, _ANYONE)}


def test_a_server_with_an_unknown_access_policy_denies() -> None:
    world = _world(accessPolicy="maybe")
    assert _allowed(world.told()) == {}
    assert world.index.tally.complaints == 1


def test_i24_an_authorization_by_name_is_for_the_clusters_networks() -> None:
    world = _world()
    _put_authz(world, {"unauthenticated": True})
    assert _allowed(world.told()) == {"serverauthorization saz": (_CLUSTER, _ANYONE)}


def test_i25_an_authorization_by_labels_follows_them() -> None:
    world = _world()
    _put_authz(world, {"unauthenticated": True}, {"selector": {"matchLabels": {"open": "yes"}}})
    follower = world.follow()
    assert _allowed(follower.told) == {}
    world.server(labels={"open": "yes"})
    assert [*_allowed(follower.told)] == ["serverauthorization saz"]
    world.server(labels={"open": "no"})
    assert _allowed(follower.told) == {}


def test_an_authorizations_selector_may_change() -> None:
    world = _world(labels={"open": "yes"})
    follower = world.follow()
    for value, allows in (("no", False), ("yes", True), ("no", False)):
        selector = {"selector": {"matchLabels": {"open": value}}}
        _put_authz(world, {"unauthenticated": True}, selector)
        assert bool(_allowed(follower.told)) is allows


def test_i26_a_service_account_is_of_the_authorizations_namespace_if_it_names_none() -> None:
    world = _world()
    accounts = [{"name": "jam"}, {"name": "pie", "namespace": "ops"}]
    _put_authz(world, {"meshTLS": {"serviceAccounts": accounts, "identities": ["*.x", "*"]}})
    identities = _of(_account("jam"), _account("pie", "ops"), suffixes=[{"parts": ["x"]}, {}])
    assert _allowed(world.told()) == {"serverauthorization saz": (_CLUSTER, identities)}


def test_i27_clients_may_come_by_tls_without_an_identity() -> None:
    world = _world()
    _put_authz(world, {"meshTLS": {"unauthenticatedTLS": True}})
    permitted: Any = {"meshTLS": {"unauthenticated": {}}}
    assert _allowed(world.told()) == {"serverauthorization saz": (_CLUSTER, permitted)}


@pytest.mark.parametrize(
    "client",
    [
        pytest.param({}, id="i28"),
        {"unauthenticated": False, "networks": [{"cidr": "10.1.0.0/16"}]},
        {"unauthenticated": True, "meshTLS": {"unauthenticatedTLS": True}},
        {"meshTLS": {"unauthenticatedTLS": True, "identities": ["*"]}},
        {"unauthenticated": True, "networks": [{"cidr": "10.1.0.0/99"}]},
    ],
)
def test_an_authorization_that_allows_nobody_or_is_malformed_adds_nothing(client: Any) -> None:
    world = _world()
    _put_authz(world, client)
    assert _allowed(world.told()) == {}


def test_an_authorization_that_becomes_malformed_denies_at_once() -> None:
    world = _world()
    follower = world.follow()
    _put_authz(world, {"unauthenticated": True})
    assert [*_allowed(follower.told)] == ["serverauthorization saz"]
    _put_authz(world, {"unauthenticated": True, "networks": [{"cidr": "nonsense"}]})
    assert _allowed(follower.told) == {}


def test_i29_an_authorization_that_goes_is_taken_back() -> None:
    world = _world()
    authz = _put_authz(world, {"unauthenticated": True})
    follower = world.follow()
    assert [*_allowed(follower.told)] == ["serverauthorization saz"]
    world.remove(Kind.SERVER_AUTHORIZATION, authz)
    assert _allowed(follower.told) == {}


def test_i30_a_policy_may_require_an_authentication_of_another_namespace() -> None:
    world = _world()
    spec = {"identities": ["a.b", "*.c.d"]}
    world.put(Kind.MESH_TLS_AUTHENTICATION, "clients", spec, namespace="ops")
    _put_policy(world, _ref("MeshTLSAuthentication", "clients", namespace="ops"))
    identities = _of("a.b", suffixes=[{"parts": ["c", "d"]}])
    assert _allowed(world.told()) == {"authorizationpolicy policy": (_ALL, identities)}


def test_i31_a_policy_allows_nobody_until_all_is_there_that_it_requires() -> None:
    world = _world()
    _put_policy(world, _ref("MeshTLSAuthentication", "clients"))
    follower = world.follow()
    assert _allowed(follower.told) == {}
    assert world.index.tally.complaints == 1
    world.put(Kind.MESH_TLS_AUTHENTICATION, "clients", {"identities": ["a.b"]}, namespace="ops")
    assert follower.read() == []
    world.put(Kind.MESH_TLS_AUTHENTICATION, "clients", {"identities": ["a.b"]})
    assert _allowed(follower.told) == {"authorizationpolicy policy": (_ALL, _of("a.b"))}


def test_i32_clients_must_meet_all_that_a_policy_requires() -> None:
    world = _world()
    refs = {"identityRefs": [{"kind": "ServiceAccount", "name": "jam"}]}
    world.put(Kind.MESH_TLS_AUTHENTICATION, "clients", refs)
    world.put(Kind.NETWORK_AUTHENTICATION, "near", {"networks": [{"cidr": "10.1.0.0/16"}]})
    both = [_ref("MeshTLSAuthentication", "clients"), _ref("NetworkAuthentication", "near")]
    _put_policy(world, *both)
    expected = (_TEN_ONE, _of(_account("jam")))
    assert _allowed(world.told()) == {"authorizationpolicy policy": expected}


def test_i33_a_policy_may_require_a_service_account() -> None:
    world = _world()
    _put_policy(world, {"kind": "ServiceAccount", "name": "jam"})
    assert _allowed(world.told()) == {"authorizationpolicy policy": (_ALL, _of(_account("jam")))}


def test_i34_a_policy_for_a_namespace_is_for_its_servers_alone() -> None:
    world = _world()
    _put_policy(world, target={"kind": "Namespace", "name": "fin"})
    assert [*_allowed(world.told())] == ["authorizationpolicy policy"]
    assert [*_allowed(world.told(9000))] == ["default all-unauthenticated"]


def test_a_policy_for_another_namespace_adds_nothing() -> None:
    world = _world()
    _put_policy(world, target={"kind": "Namespace", "name": "fin"}, namespace="ops")
    assert _allowed(world.told()) == {}


def test_i35_a_policy_that_requires_nothing_lets_all_in() -> None:
    world = _world()
    _put_policy(world)
    assert _allowed(world.told()) == {"authorizationpolicy policy": (_ALL, _ANYONE)}


@pytest.mark.parametrize("odd", [{}, {"requiredAuthenticationRefs": None}])
def test_a_policy_that_leaves_open_what_it_requires_is_no_policy(odd: dict[str, Any]) -> None:
    spec = {"targetRef": _SERVER, **odd}
    metadata = {"name": "policy", "namespace": "fin", "resourceVersion": "1"}
    decoder = ObjectDecoder(AuthorizationPolicy)
    read = decoder.decode(msgspec.json.encode({"metadata": metadata, "spec": spec}))
    assert isinstance(read, Malformed)


@pytest.mark.parametrize(
    ("kind", "spec", "ref"),
    [
        pytest.param(
            Kind.MESH_TLS_AUTHENTICATION,
            {"identities": ["*"]},
            "MeshTLSAuthentication",
            id="i36",
        ),
        pytest.param(
            Kind.NETWORK_AUTHENTICATION,
            {"networks": [{"cidr": "10.1.0.0/16"}]},
            "NetworkAuthentication",
            id="i37",
        ),
    ],
)
def test_a_policy_allows_nobody_once_something_has_gone(kind: Kind, spec: Any, ref: str) -> None:
    world = _world()
    needed = world.put(kind, "needed", spec)
    _put_policy(world, _ref(ref, "needed"))
    follower = world.follow()
    assert [*_allowed(follower.told)] == ["authorizationpolicy policy"]
    world.remove(kind, needed)
    assert _allowed(follower.told) == {}


def test_i38_a_policy_counts_for_servers_that_come_later() -> None:
    world = World()
    _put_policy(world)
    world.pod()
    world.server()
    assert [*_allowed(world.told())] == ["authorizationpolicy policy"]


def test_i63_the_case_of_a_targets_kind_does_not_matter() -> None:
    world = _world()
    _put_policy(world, target=_SERVER | {"kind": "server"})
    assert [*_allowed(world.told())] == ["authorizationpolicy policy"]


def test_authorizations_come_in_one_order() -> None:
    """Whatever the order of events: proxies compare nothing, so a message that says the same again
    would cost them all."""
    world = _world(accessPolicy="audit")
    for name in ("b", "a"):
        _put_authz(world, {"unauthenticated": True}, name=name)
    _put_policy(world)
    assert [*_allowed(world.told())] == [
        "serverauthorization a",
        "serverauthorization b",
        "authorizationpolicy policy",
        "default audit",
    ]


def test_what_changes_nothing_that_is_told_wakes_nobody() -> None:
    world = _world()
    _put_authz(world, {"unauthenticated": True})
    follower = world.follow()
    follower.read()
    _put_authz(world, {"unauthenticated": True}, name="saz")
    _put_authz(world, {"unauthenticated": True}, {"name": "other"}, name="other")
    world.server()
    assert (follower.wakes, follower.read()) == (0, [])


def test_a_server_of_which_there_is_too_much_to_tell_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A part of it could allow what the whole does not."""
    monkeypatch.setattr(answers, "_MAX_BYTES", 2_000)
    world = _world(accessPolicy="all-unauthenticated")
    follower = world.follow()
    assert follower.told.authorizations
    for number in range(20):
        _put_authz(world, {"unauthenticated": True}, name=f"saz-{number:02}")
    told = follower.told
    assert dict(told.labels)["name"] == "web"
    assert not told.authorizations
    assert not told.protocol.detect.http_routes
    assert world.index.tally.complaints


def test_a_server_may_have_very_many_authorizations() -> None:
    world = _world()
    follower = world.follow()
    spec = {"server": {"name": "web"}, "client": {"unauthenticated": True}}
    made = [item(Kind.SERVER_AUTHORIZATION, f"saz-{n:04}", spec) for n in range(1_000)]
    world.index.listener(Kind.SERVER_AUTHORIZATION)([Applied(each) for each in made])
    (told,) = follower.read()
    assert len(told.authorizations) == 1_000
