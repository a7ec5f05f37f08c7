"""ServerAuthorizations: who may call the Servers that a name or a selector chooses."""

from dataclasses import dataclass

from linkerd.kube.objects import (
    LabelSelector,
    MeshTLSClient,
    ServerAuthorization,
    ServerChoice,
    ServerClient,
)
from linkerd.mesh.names import IdentityDomain
from linkerd.policy.authorizations import (
    ANY_TLS,
    UNAUTHENTICATED,
    Authentication,
    Authorization,
    MeshTls,
)
from linkerd.policy.errors import PolicyError
from linkerd.policy.identities import identity_match, service_account_identity
from linkerd.policy.networks import judge_networks


@dataclass(frozen=True, slots=True)
class ServerAuthorizationPolicy:
    """`server` is a Server's name, or a selector of Servers' labels. Without an `authorization` it
    lets in nobody."""

    server: str | LabelSelector
    authorization: Authorization | None


def judge_server_authorization(
    authorization: ServerAuthorization, domain: IdentityDomain
) -> ServerAuthorizationPolicy:
    """What it says. Raises PolicyError."""
    client = authorization.spec.client
    authentication = _authentication(client, authorization.metadata.namespace, domain)
    networks = judge_networks(client.networks or (), "spec.client.networks")
    server = _server(authorization.spec.server)
    if authentication is None:
        return ServerAuthorizationPolicy(server, None)
    return ServerAuthorizationPolicy(server, Authorization(networks, authentication))


def _server(choice: ServerChoice) -> str | LabelSelector:
    if choice.name is not None and choice.selector is not None:
        raise PolicyError("spec.server", "has a name and a selector: one must go")
    chosen = choice.selector if choice.name is None else choice.name
    if chosen is None or chosen == "":
        raise PolicyError("spec.server", "must have a name or a selector")
    return chosen


def _authentication(
    client: ServerClient, namespace: str, domain: IdentityDomain
) -> Authentication | None:
    if client.unauthenticated and client.mesh_tls is not None:
        problem = "must go: clients are let in without, because unauthenticated is true"
        raise PolicyError("spec.client.meshTLS", problem)
    if client.unauthenticated:
        return UNAUTHENTICATED
    if client.mesh_tls is None:
        return None
    return _mesh_tls(client.mesh_tls, namespace, domain)


def _mesh_tls(tls: MeshTLSClient, namespace: str, domain: IdentityDomain) -> Authentication | None:
    if tls.unauthenticated_tls and (tls.identities or tls.service_accounts):
        problem = "must not be true beside identities or serviceAccounts, which it makes void"
        raise PolicyError("spec.client.meshTLS.unauthenticatedTLS", problem)
    if tls.unauthenticated_tls:
        return ANY_TLS
    accounts = (
        service_account_identity(account.name, account.namespace or namespace, domain)
        for account in tls.service_accounts
    )
    identities = (*map(identity_match, tls.identities), *accounts)
    return MeshTls(identities) if identities else None
