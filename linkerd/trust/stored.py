"""Trust as a cluster stores it: a Secret with the issuer, a ConfigMap with the trust anchors.

Objects are given as Kubernetes' JSON has them. Messages name the object and its key.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import Pair, read_pair
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY, ISSUER, issuer_keys
from linkerd.trust.paths import Places

KubernetesObject = Mapping[str, Any]


def stored_bundle(config_map: KubernetesObject | None, namespace: str) -> str:
    """The trust anchors as text. Raises TrustProblem."""
    where = f"ConfigMap {namespace}/{ANCHORS}"
    if config_map is None:
        raise TrustProblem(where, f"it does not exist: {_MAKE}")
    data = config_map.get("data") or {}
    bundle: str | None = data.get(ANCHORS_KEY)
    if bundle is None:
        raise TrustProblem(
            f"{where}, {ANCHORS_KEY}",
            f"there is no such key, but {_listed(data)}: put the PEM certificates of the trust "
            "anchors there",
        )
    return bundle


def stored_pair(
    config_map: KubernetesObject | None, secret: KubernetesObject | None, namespace: str, form: str
) -> Pair:
    """Issuer, key and anchors of the objects, of which the Secret is in that form. Raises
    TrustProblem."""
    bundle = stored_bundle(config_map, namespace)
    where = f"Secret {namespace}/{ISSUER}"
    certificate, key = issuer_keys(form)
    places = Places(
        f"ConfigMap {namespace}/{ANCHORS}, {ANCHORS_KEY}",
        f"{where}, {certificate}", f"{where}, {key}",
    )  # fmt: skip
    if secret is None:
        raise TrustProblem(where, f"it does not exist: {_MAKE}")
    data = secret.get("data") or {}
    values = {name: _value(data, name, where, form) for name in (certificate, key)}
    return read_pair(bundle.encode(), values[certificate], values[key], places)


def _value(data: Mapping[str, str], key: str, where: str, form: str) -> bytes:
    if key not in data:
        raise TrustProblem(
            f"{where}, {key}",
            f"there is no such key, which form {form} needs; it has {_listed(data)}. Put it there, "
            "or give identity the flag -identity-scheme of the Secret's form",
        )
    try:
        return base64.b64decode(data[key], validate=True)
    except binascii.Error:
        raise TrustProblem(f"{where}, {key}", "it is not base64: make the Secret anew") from None


def _listed(data: Mapping[str, str]) -> str:
    return ", ".join(sorted(data)) or "nothing"


_MAKE: Final = (
    "a control plane needs it; docs/certificates.md says how to make one. --linkerd-namespace "
    "names the namespace of the control plane"
)
