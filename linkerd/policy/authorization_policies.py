"""AuthorizationPolicies: targets, and the authentications that their clients need, all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from linkerd.kube.objects import AuthorizationPolicy, Key, Reference
from linkerd.mesh.names import IdentityDomain
from linkerd.policy.errors import PolicyError, shown
from linkerd.policy.identities import Identity, service_account_identity
from linkerd.policy.references import (
    GATEWAY_HTTP_ROUTE,
    GRPC_ROUTE,
    LINKERD_HTTP_ROUTE,
    MESH_TLS_AUTHENTICATION,
    NAMESPACE,
    NETWORK_AUTHENTICATION,
    SERVER,
    SERVICE_ACCOUNT,
    GroupKind,
)

_TARGETS: Final = (SERVER, NAMESPACE, LINKERD_HTTP_ROUTE, GATEWAY_HTTP_ROUTE, GRPC_ROUTE)
_AUTHENTICATIONS: Final = (MESH_TLS_AUTHENTICATION, NETWORK_AUTHENTICATION, SERVICE_ACCOUNT)
_TARGET: Final = "spec.targetRef"
_REQUIRED: Final = "spec.requiredAuthenticationRefs"


@dataclass(frozen=True, slots=True)
class Target:
    """What is protected, of the policy's own namespace: a Server, a route, or all Servers of that
    NAMESPACE."""

    kind: GroupKind
    name: str


@dataclass(frozen=True, slots=True)
class RequiredAuthentications:
    """`target` may be called by those who meet all of these: the MeshTLSAuthentication `mesh_tls`
    or the ServiceAccount's `identity` (never both), and the NetworkAuthentication `network`.
    Without any it may be called by anyone."""

    target: Target
    mesh_tls: Key | None = None
    identity: Identity | None = None
    network: Key | None = None


def judge_authorization_policy(
    policy: AuthorizationPolicy, domain: IdentityDomain
) -> RequiredAuthentications:
    """What it requires. Raises PolicyError."""
    own, target = policy.metadata.namespace, policy.spec.target_ref
    _check_namespace(target, own)
    references = policy.spec.required_authentication_refs
    mesh_tls = _only(references, MESH_TLS_AUTHENTICATION)
    account = _only(references, SERVICE_ACCOUNT)
    if mesh_tls is not None and account is not None:
        problem = (
            "a MeshTLSAuthentication and a ServiceAccount cannot both be required: one must go"
        )
        raise PolicyError(_REQUIRED, problem)
    network = _only(references, NETWORK_AUTHENTICATION)
    _check_kinds(references)
    return RequiredAuthentications(
        _target(target),
        mesh_tls=_key(mesh_tls, own),
        identity=_identity(account, own, domain),
        network=_key(network, own),
    )


def _check_namespace(target: Reference, own: str) -> None:
    if NAMESPACE.is_named(target.group, target.kind) and target.name != own:
        problem = f"{shown(target.name)} must be {shown(own)}: it has no say in other namespaces"
        raise PolicyError(f"{_TARGET}.name", problem)


def _only(references: Sequence[Reference], kind: GroupKind) -> Reference | None:
    """The one reference to that kind. Raises PolicyError when there are more."""
    found = [each for each in references if kind.is_named(each.group, each.kind)]
    if len(found) > 1:
        raise PolicyError(_REQUIRED, f"only one {kind.kind} can be required, not {len(found)}")
    return found[0] if found else None


def _check_kinds(references: Sequence[Reference]) -> None:
    for number, reference in enumerate(references):
        field = f"{_REQUIRED}[{number}]"
        if not any(kind.is_named(reference.group, reference.kind) for kind in _AUTHENTICATIONS):
            allowed = ", ".join(map(str, _AUTHENTICATIONS))
            problem = (
                f"{shown(str(GroupKind(reference.group, reference.kind)))} is none of {allowed}"
            )
            raise PolicyError(f"{field}.kind", problem)
        if not reference.name:
            raise PolicyError(f"{field}.name", "must be there")


def _target(target: Reference) -> Target:
    if not target.name:
        raise PolicyError(f"{_TARGET}.name", "must be there")
    for kind in _TARGETS:
        if kind.is_named(target.group, target.kind):
            return Target(kind, target.name)
    allowed = ", ".join(map(str, _TARGETS))
    raise PolicyError(f"{_TARGET}.kind", f"{_shown(target)} is none of {allowed}")


def _shown(reference: Reference) -> str:
    return shown(str(GroupKind(reference.group, reference.kind)))


def _key(reference: Reference | None, own: str) -> Key | None:
    return None if reference is None else Key(reference.namespace or own, reference.name)


def _identity(account: Reference | None, own: str, domain: IdentityDomain) -> Identity | None:
    if account is None:
        return None
    return service_account_identity(account.name, account.namespace or own, domain)
