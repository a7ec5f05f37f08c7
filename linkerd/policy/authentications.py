"""MeshTLSAuthentications and NetworkAuthentications: what AuthorizationPolicies require."""

from linkerd.kube.objects import MeshTLSAuthentication, NetworkAuthentication, Reference
from linkerd.mesh.names import IdentityDomain
from linkerd.policy.authorizations import MeshTls
from linkerd.policy.errors import PolicyError, shown
from linkerd.policy.identities import (
    IdentityMatch,
    check_identity,
    identity_match,
    namespace_identities,
    service_account_identity,
)
from linkerd.policy.networks import Network, judge_networks
from linkerd.policy.references import NAMESPACE, SERVICE_ACCOUNT


def judge_mesh_tls_authentication(
    authentication: MeshTLSAuthentication, domain: IdentityDomain
) -> MeshTls:
    """The identities that meet it. Raises PolicyError."""
    spec = authentication.spec
    named = [
        _identity(text, f"spec.identities[{number}]")
        for number, text in enumerate(spec.identities or ())
    ]
    referred = [
        _referred(reference, f"spec.identityRefs[{number}]", authentication, domain)
        for number, reference in enumerate(spec.identity_refs or ())
    ]
    return MeshTls((*named, *referred))


def judge_network_authentication(authentication: NetworkAuthentication) -> tuple[Network, ...]:
    """The networks that meet it, at least one. Raises PolicyError."""
    if not authentication.spec.networks:
        raise PolicyError("spec.networks", "must have at least one network")
    return judge_networks(authentication.spec.networks, "spec.networks")


def _identity(text: str, field: str) -> IdentityMatch:
    try:
        check_identity(text)
    except ValueError as error:
        raise PolicyError(field, str(error)) from None
    return identity_match(text)


def _referred(
    reference: Reference,
    field: str,
    authentication: MeshTLSAuthentication,
    domain: IdentityDomain,
) -> IdentityMatch:
    if not reference.name:
        raise PolicyError(f"{field}.name", "must be there")
    own = authentication.metadata.namespace
    if SERVICE_ACCOUNT.is_named(reference.group, reference.kind):
        return service_account_identity(reference.name, reference.namespace or own, domain)
    if not NAMESPACE.is_named(reference.group, reference.kind):
        problem = f"{shown(reference.kind)} must be ServiceAccount or Namespace, of the core group"
        raise PolicyError(f"{field}.kind", problem)
    if reference.namespace is not None:
        problem = "must go: a Namespace is in none, and is named by name alone"
        raise PolicyError(f"{field}.namespace", problem)
    return namespace_identities(reference.name, domain)
