"""The issuer and the trust anchors that a control plane is given: its Secret and its ConfigMap.

Both forms of the Secret are read. Nothing of the private key leaves this module.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from linkerd.check.cluster import Cluster, Object
from linkerd.names import IdentityDomain
from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import read_pair
from linkerd.trust.objects import (
    ANCHORS,
    ANCHORS_KEY,
    ISSUER,
    KUBERNETES_FORM,
    LINKERD_FORM,
    issuer_keys,
)
from linkerd.trust.paths import Places, Trust

_SCHEME_FLAG: Final = "identity-scheme"
_DOMAIN_FLAG: Final = "identity-trust-domain"
_USUAL_DOMAIN: Final = "cluster.local"


@dataclass(frozen=True, slots=True)
class Given:
    """What the objects hold, the form of the Secret, and a name that the issuer must be able to
    certify."""

    form: str
    identity: str
    trust: Trust


async def read_trust(cluster: Cluster) -> Given:
    """Raises TrustProblem, and KubeError when the objects may not be read."""
    bundle = await read_bundle(cluster)
    where = f"Secret {cluster.namespace}/{ISSUER}"
    secret = await cluster.own("secrets", ISSUER)
    if secret is None:
        raise TrustProblem(where, f"it does not exist: {_MAKE}")
    data = secret.get("data") or {}
    flags = _flags(await cluster.own("deployments", "linkerd-identity", "/apis/apps/v1") or {})
    form = _form(flags, data)
    certificate, key = issuer_keys(form)
    places = Places(_bundle_place(cluster), f"{where}, {certificate}", f"{where}, {key}")
    chain, private = (_value(data, name, where, form) for name in (certificate, key))
    pair = read_pair(bundle.encode(), chain, private, places)
    domain = IdentityDomain(cluster.namespace, flags.get(_DOMAIN_FLAG) or _USUAL_DOMAIN)
    return Given(form, domain.identity_service, pair.trust)


async def read_bundle(cluster: Cluster) -> str:
    """The trust anchors as text. Raises TrustProblem and KubeError."""
    found = await cluster.own("configmaps", ANCHORS)
    if found is None:
        where = f"ConfigMap {cluster.namespace}/{ANCHORS}"
        raise TrustProblem(where, f"it does not exist: {_MAKE}")
    bundle: str | None = (found.get("data") or {}).get(ANCHORS_KEY)
    if bundle is None:
        raise TrustProblem(
            _bundle_place(cluster),
            f"there is no such key, only {_listed(found.get('data') or {})}: put the PEM "
            "certificates of the trust anchors there",
        )
    return bundle


def _bundle_place(cluster: Cluster) -> str:
    return f"ConfigMap {cluster.namespace}/{ANCHORS}, {ANCHORS_KEY}"


def _form(flags: dict[str, str], data: dict[str, str]) -> str:
    """What identity is told to expect; without an identity service, what the Secret looks like."""
    if told := flags.get(_SCHEME_FLAG):
        return LINKERD_FORM if told == LINKERD_FORM else KUBERNETES_FORM
    return LINKERD_FORM if issuer_keys(LINKERD_FORM)[0] in data else KUBERNETES_FORM


def _flags(deployment: Object) -> dict[str, str]:
    """The flags of its containers that have a value; of one that is given twice the last."""
    spec: dict[str, Any] = deployment.get("spec", {}).get("template", {}).get("spec", {})
    arguments = (a for c in spec.get("containers", ()) for a in c.get("args") or ())
    split = (argument.partition("=") for argument in arguments)
    return {name.lstrip("-"): value for name, _, value in split if value}


def _value(data: dict[str, str], key: str, where: str, form: str) -> bytes:
    if key not in data:
        raise TrustProblem(
            f"{where}, {key}",
            f"there is no such key, which form {form} needs; it has {_listed(data)}. Put it there, "
            f"or give identity the flag -{_SCHEME_FLAG} of the Secret's form",
        )
    try:
        return base64.b64decode(data[key], validate=True)
    except binascii.Error:
        raise TrustProblem(f"{where}, {key}", "it is not base64: make the Secret anew") from None


def _listed(data: dict[str, str]) -> str:
    return ", ".join(sorted(data)) or "nothing"


_MAKE: Final = (
    "a control plane needs it; docs/certificates.md says how to make one. --linkerd-namespace "
    "names the namespace of the control plane"
)
