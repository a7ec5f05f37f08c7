"""What a case is, and the objects that cases are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

POLICY: Final = "policy.linkerd.io"
GATEWAY: Final = "gateway.networking.k8s.io"
NAMESPACE: Final = "orchard"
"""Where all of them are; a test may put them elsewhere."""


@dataclass(frozen=True)
class Case:
    """An object, and what its refusal says; None where it is admitted. `schema` is what the API
    server says, which does not ask the validator about what does not fit the kind's definition;
    `warns` what is said beside an admission."""

    ids: str
    body: Mapping[str, Any]
    refused: str | None = None
    schema: str | None = None
    warns: str | None = None


def policy(kind: str, version: str, spec: Any, **meta: Any) -> dict[str, Any]:
    """An object of policy.linkerd.io."""
    return _body(f"{POLICY}/{version}", kind, spec, meta)


def gateway(kind: str, version: str, spec: Any, **meta: Any) -> dict[str, Any]:
    """A route of the Gateway API."""
    return _body(f"{GATEWAY}/{version}", kind, spec, meta)


def _body(version: str, kind: str, spec: Any, meta: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "pear", "namespace": NAMESPACE, **meta},
        "spec": spec,
    }


def server(**spec: Any) -> dict[str, Any]:
    """A Server; a field that is None is left out."""
    whole = {"port": 8080, "podSelector": {}, **spec}
    return policy("Server", "v1beta3", {k: v for k, v in whole.items() if v is not None})


def server_authorization(networks: Any = None, **client: Any) -> dict[str, Any]:
    if networks is not None:
        client["networks"] = networks
    return policy("ServerAuthorization", "v1beta1", {"server": {"name": "web"}, "client": client})


def reference(kind: str, name: str = "jam", group: str = "", **more: Any) -> dict[str, Any]:
    return {"group": group, "kind": kind, "name": name, **more}


def mesh_tls(name: str = "jam") -> dict[str, Any]:
    return reference("MeshTLSAuthentication", name, POLICY)


def network(name: str = "jam") -> dict[str, Any]:
    return reference("NetworkAuthentication", name, POLICY)


def account(name: str = "jam") -> dict[str, Any]:
    return reference("ServiceAccount", name)


def authorization_policy(
    *required: Mapping[str, Any], target: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    spec = {
        "targetRef": target or reference("Server", "web", POLICY),
        "requiredAuthenticationRefs": list(required),
    }
    return policy("AuthorizationPolicy", "v1alpha1", spec)


def identities(*names: str) -> dict[str, Any]:
    return policy("MeshTLSAuthentication", "v1alpha1", {"identities": list(names)})


def identity_refs(*references: Mapping[str, Any]) -> dict[str, Any]:
    return policy("MeshTLSAuthentication", "v1alpha1", {"identityRefs": list(references)})


def network_authentication(*networks: Any) -> dict[str, Any]:
    return policy("NetworkAuthentication", "v1alpha1", {"networks": list(networks)})


def egress_network(networks: Sequence[Any] | None = None, traffic: str = "Deny") -> dict[str, Any]:
    spec: dict[str, Any] = {"trafficPolicy": traffic}
    return policy(
        "EgressNetwork", "v1alpha1", spec if networks is None else {**spec, "networks": networks}
    )


def rate_limit(target: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Of a Server; `total`, `identity` are rates, `overrides` pairs of a rate and references."""
    whole: dict[str, Any] = {"targetRef": target or reference("Server", "web", POLICY)}
    for part in ("total", "identity"):
        if part in spec:
            whole[part] = {"requestsPerSecond": spec[part]}
    if "overrides" in spec:
        whole["overrides"] = [
            {"requestsPerSecond": rate, "clientRefs": references}
            for rate, references in spec["overrides"]
        ]
    return policy("HTTPLocalRateLimitPolicy", "v1alpha1", whole)
