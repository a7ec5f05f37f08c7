"""Where a control plane keeps its trust: upstream's names of objects and of their keys."""

from typing import Final

ANCHORS: Final = "linkerd-identity-trust-roots"
"""The ConfigMap with the trust anchors."""

ANCHORS_KEY: Final = "ca-bundle.crt"
ISSUER: Final = "linkerd-identity-issuer"
"""The Secret with the issuer, in one of two forms."""

LINKERD_FORM: Final = "linkerd.io/tls"
KUBERNETES_FORM: Final = "kubernetes.io/tls"

ROOT_KEY: Final = "ca.crt"
"""Where a Secret may keep the root of its issuer; cert-manager and `linkerd run` do."""


def issuer_keys(form: str) -> tuple[str, str]:
    """Certificate and key of an issuer's Secret. Every form but `linkerd.io/tls` means the names
    that Kubernetes' own TLS Secrets use."""
    return ("crt.pem", "key.pem") if form == LINKERD_FORM else ("tls.crt", "tls.key")
