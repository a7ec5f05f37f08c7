"""What authorizations and authentications come to: who may call, from where. Ids I24 to I37 of the
catalogue are of what a Server tells; here it is what each object adds."""

from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import (
    AuthorizationPolicy,
    Key,
    LabelSelector,
    MeshTLSAuthentication,
    NetworkAuthentication,
    ServerAuthorization,
)
from linkerd.mesh.names import IdentityDomain
from linkerd.policy.authentications import (
    judge_mesh_tls_authentication,
    judge_network_authentication,
)
from linkerd.policy.authorization_policies import (
    RequiredAuthentications,
    Target,
    judge_authorization_policy,
)
from linkerd.policy.authorizations import (
    ANY_MESH_TLS,
    ANY_TLS,
    UNAUTHENTICATED,
    Authentication,
    Authorization,
    MeshTls,
)
from linkerd.policy.errors import PolicyError
from linkerd.policy.identities import Identity, IdentitySuffix
from linkerd.policy.networks import Network, parse_block
from linkerd.policy.references import (
    GATEWAY_HTTP_ROUTE,
    GRPC_ROUTE,
    LINKERD_HTTP_ROUTE,
    NAMESPACE,
    SERVER,
    GroupKind,
)
from linkerd.policy.server_authorizations import (
    ServerAuthorizationPolicy,
    judge_server_authorization,
)
from tests.support.admission.cases import (
    GATEWAY,
    POLICY,
    account,
    authorization_policy,
    identities,
    identity_refs,
    mesh_tls,
    network,
    network_authentication,
    reference,
    server_authorization,
)

DOMAIN = IdentityDomain("mesh", "td.example")
NET = {"cidr": "10.1.0.0/16", "except": ["10.1.9.0/24"]}
NETWORK = Network(parse_block("10.1.0.0/16"), (parse_block("10.1.9.0/24"),))


def identity(name: str, namespace: str = "orchard") -> Identity:
    return Identity(f"{name}.{namespace}.serviceaccount.identity.mesh.td.example")


def authorized(body: dict[str, Any]) -> ServerAuthorizationPolicy:
    return judge_server_authorization(msgspec.convert(body, ServerAuthorization), DOMAIN)


def required(body: dict[str, Any]) -> RequiredAuthentications:
    return judge_authorization_policy(msgspec.convert(body, AuthorizationPolicy), DOMAIN)


def meant(body: dict[str, Any]) -> MeshTls:
    return judge_mesh_tls_authentication(msgspec.convert(body, MeshTLSAuthentication), DOMAIN)


@pytest.mark.parametrize(
    ("client", "authentication"),
    [
        pytest.param({"unauthenticated": True}, UNAUTHENTICATED, id="i24"),
        pytest.param({"meshTLS": {"unauthenticatedTLS": True}}, ANY_TLS, id="i27"),
        pytest.param(
            {"meshTLS": {"serviceAccounts": [{"name": "jam"}]}}, MeshTls((identity("jam"),)),
            id="i26",
        ),
        pytest.param(
            {"meshTLS": {"serviceAccounts": [{"name": "jam", "namespace": "kitchen"}]}},
            MeshTls((identity("jam", "kitchen"),)),
            id="account of another namespace",
        ),
        pytest.param({"meshTLS": {"identities": ["*"]}}, ANY_MESH_TLS, id="anyone of the mesh"),
        pytest.param(
            {"meshTLS": {"identities": ["*.a.b", "c"], "serviceAccounts": [{"name": "jam"}]}},
            MeshTls((IdentitySuffix(("a", "b")), Identity("c"), identity("jam"))),
            id="several",
        ),
    ],
)  # fmt: skip
def test_clients_of_a_server_authorization(
    client: dict[str, Any], authentication: Authentication
) -> None:
    assert authorized(server_authorization([NET], **client)) == ServerAuthorizationPolicy(
        "web", Authorization((NETWORK,), authentication)
    )


@pytest.mark.parametrize("client", [{}, {"meshTLS": {}}, {"meshTLS": {"identities": []}}])
def test_i28_a_client_that_is_nobody_adds_nothing(client: dict[str, Any]) -> None:
    assert authorized(server_authorization([NET], **client)).authorization is None


def test_i24_without_networks_it_is_those_of_the_cluster() -> None:
    """Which whoever tells it puts in."""
    for body in (server_authorization(), server_authorization([])):
        body["spec"]["client"]["unauthenticated"] = True
        assert authorized(body).authorization == Authorization((), UNAUTHENTICATED)


def test_i25_servers_by_their_labels() -> None:
    body = server_authorization(unauthenticated=True)
    body["spec"]["server"] = {"selector": {"matchLabels": {"app": "web"}}}
    assert authorized(body).server == LabelSelector({"app": "web"})


@pytest.mark.parametrize("choice", [{}, {"name": ""}, {"name": "web", "selector": {}}])
def test_servers_that_are_not_chosen_one_way_are_refused(choice: dict[str, Any]) -> None:
    body = server_authorization(unauthenticated=True)
    body["spec"]["server"] = choice
    with pytest.raises(PolicyError, match=r"^spec\.server: "):
        authorized(body)


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        pytest.param([], {}, id="i35 anyone"),
        pytest.param([network()], {"network": Key("orchard", "jam")}, id="i37"),
        pytest.param([mesh_tls()], {"mesh_tls": Key("orchard", "jam")}, id="i30"),
        pytest.param(
            [mesh_tls() | {"namespace": "kitchen"}], {"mesh_tls": Key("kitchen", "jam")},
            id="i30 of another namespace",
        ),
        pytest.param([account()], {"identity": identity("jam")}, id="i33"),
        pytest.param(
            [account() | {"namespace": "kitchen"}], {"identity": identity("jam", "kitchen")},
            id="i33 of another namespace",
        ),
        pytest.param(
            [network("lan"), mesh_tls()],
            {"network": Key("orchard", "lan"), "mesh_tls": Key("orchard", "jam")},
            id="i32",
        ),
        pytest.param(
            [reference("serviceaccount", "jam", "core")], {"identity": identity("jam")},
            id="another spelling",
        ),
    ],
)  # fmt: skip
def test_what_an_authorization_policy_requires(
    references: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    found = required(authorization_policy(*references))
    assert found == RequiredAuthentications(Target(SERVER, "web"), **expected)


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        pytest.param(reference("server", "web", POLICY), SERVER, id="i63"),
        pytest.param(reference("HttpRoute", "web", POLICY), LINKERD_HTTP_ROUTE, id="i41"),
        pytest.param(reference("HTTPRoute", "web", GATEWAY), GATEWAY_HTTP_ROUTE, id="gateway"),
        pytest.param(reference("GRPCRoute", "web", GATEWAY), GRPC_ROUTE, id="grpc"),
        pytest.param(reference("Namespace", "orchard"), NAMESPACE, id="i34"),
    ],
)
def test_what_it_protects(target: dict[str, Any], kind: GroupKind) -> None:
    found = required(authorization_policy(account(), target=target))
    assert found.target == Target(kind, target["name"])


@pytest.mark.parametrize(
    "references", [[mesh_tls("")], [account("")], [network("")]], ids=["tls", "account", "network"]
)
def test_a_reference_without_a_name_is_refused(references: list[dict[str, Any]]) -> None:
    with pytest.raises(PolicyError, match=r"requiredAuthenticationRefs\[0\]\.name: must be there"):
        required(authorization_policy(*references))


def test_messages_repeat_no_more_than_people_read() -> None:
    body = authorization_policy(target=reference("Namespace", "x" * 100_000))
    body["metadata"]["namespace"] = "y" * 100_000
    with pytest.raises(PolicyError) as caught:
        required(body)
    assert len(str(caught.value)) < 1_000


def test_identities_by_name_and_by_who_has_them() -> None:
    assert meant(identities("*", "a.b")) == MeshTls((IdentitySuffix(), Identity("a.b")))
    kitchen = "kitchen.serviceaccount.identity.mesh.td.example"
    found = meant(identity_refs(account(), reference("Namespace", "kitchen")))
    assert found == MeshTls((identity("jam"), IdentitySuffix(tuple(kitchen.split(".")))))


def test_networks() -> None:
    body = network_authentication(NET, {"cidr": "fd00::/8"})
    found = judge_network_authentication(msgspec.convert(body, NetworkAuthentication))
    assert found == (NETWORK, Network(parse_block("fd00::/8")))
