"""The issuer and the trust anchors that a control plane is given: its Secret and its ConfigMap.

Both forms of the Secret are read. Nothing of the private key leaves this module.
"""

from dataclasses import dataclass
from typing import Any, Final

from linkerd.check.cluster import Cluster, Object
from linkerd.mesh.control_plane import IDENTITY
from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain
from linkerd.trust.objects import ANCHORS, ISSUER, KUBERNETES_FORM, LINKERD_FORM, issuer_keys
from linkerd.trust.paths import Trust
from linkerd.trust.stored import stored_bundle, stored_pair

_SCHEME_FLAG: Final = "identity-scheme"
_DOMAIN_FLAG: Final = "identity-trust-domain"


@dataclass(frozen=True, slots=True)
class Given:
    """What the objects hold, the form of the Secret, and a name that the issuer must be able to
    certify."""

    form: str
    identity: str
    trust: Trust


async def read_trust(cluster: Cluster) -> Given:
    """Raises TrustProblem, and KubeError when the objects may not be read."""
    anchors = await cluster.own("configmaps", ANCHORS)
    secret = await cluster.own("secrets", ISSUER)
    flags = _flags(await cluster.own("deployments", IDENTITY, "/apis/apps/v1") or {})
    form = _form(flags, secret or {})
    pair = stored_pair(anchors, secret, cluster.namespace, form)
    domain = IdentityDomain(cluster.namespace, flags.get(_DOMAIN_FLAG) or DEFAULT_DOMAIN)
    return Given(form, domain.identity_service, pair.trust)


async def read_bundle(cluster: Cluster) -> str:
    """The trust anchors as text. Raises TrustProblem and KubeError."""
    return stored_bundle(await cluster.own("configmaps", ANCHORS), cluster.namespace)


def _form(flags: dict[str, str], secret: Object) -> str:
    """What identity is told to expect; without an identity service, what the Secret looks like."""
    if told := flags.get(_SCHEME_FLAG):
        return LINKERD_FORM if told == LINKERD_FORM else KUBERNETES_FORM
    found = secret.get("data") or {}
    return LINKERD_FORM if issuer_keys(LINKERD_FORM)[0] in found else KUBERNETES_FORM


def _flags(deployment: Object) -> dict[str, str]:
    """The flags of its containers that have a value; of one that is given twice the last."""
    spec: dict[str, Any] = deployment.get("spec", {}).get("template", {}).get("spec", {})
    arguments = (a for c in spec.get("containers", ()) for a in c.get("args") or ())
    split = (argument.partition("=") for argument in arguments)
    return {name.lstrip("-"): value for name, _, value in split if value}
