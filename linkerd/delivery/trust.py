"""The trust anchor and the issuer of a cluster: made once, kept ever after.

They are not in the manifests, because keys belong in no tree: a second apply must not replace
them, and every certificate in the mesh hangs on them. The anchor's key is forgotten as soon as the
issuer is signed, so nobody can take it from the cluster; a later issuer comes with a new anchor.
"""

import base64
import hashlib

from linkerd.certificates import make_issuer, make_trust_anchor
from linkerd.delivery.errors import TrustError
from linkerd.delivery.kubectl import Kubectl
from linkerd.labels import CONTROL_PLANE_COMPONENT, CONTROL_PLANE_NS
from linkerd.names import IdentityDomain
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY, ISSUER


def ensure_trust(kubectl: Kubectl, domain: IdentityDomain) -> tuple[str, bool]:
    """The trust anchors of the cluster as PEM, and whether they were made just now.

    The namespace must exist. Raises TrustError when only one half is there: to make the other would
    either break every certificate in use or leave an issuer that nobody trusts.
    """
    namespace = domain.controller_namespace
    anchors = kubectl.find("configmap", ANCHORS, namespace)
    issuer = kubectl.find("secret", ISSUER, namespace)
    if anchors is not None and issuer is not None:
        return str(anchors["data"][ANCHORS_KEY]), False
    if anchors is None and issuer is None:
        return _make(kubectl, domain), True
    there, missing = (ANCHORS, ISSUER) if anchors is not None else (ISSUER, ANCHORS)
    raise TrustError(
        f"namespace {namespace} has {there} but not {missing}; put back the one that belongs to "
        f"it, or delete {there} to have both made anew (every proxy must then restart)"
    )


def fingerprint(anchors: str) -> str:
    """What pods carry so that they restart when the anchors change: SHA-256 in hex."""
    return hashlib.sha256(anchors.encode()).hexdigest()


def _make(kubectl: Kubectl, domain: IdentityDomain) -> str:
    anchor = make_trust_anchor(domain)
    issuer = make_issuer(domain, anchor)
    pem = anchor.certificate_pem.decode()
    files = {"crt.pem": issuer.certificate_pem, "key.pem": issuer.key_pem}
    secret = {name: base64.b64encode(content).decode() for name, content in files.items()}
    # The issuer first: an interruption between the two leaves nothing that a pod could start with.
    kubectl.create(
        {**_object("Secret", ISSUER, domain), "type": "Opaque", "data": secret},
        doing="storing the issuer",
    )
    kubectl.create(
        {**_object("ConfigMap", ANCHORS, domain), "data": {ANCHORS_KEY: pem}},
        doing="storing the trust anchor",
    )
    return pem


def _object(kind: str, name: str, domain: IdentityDomain) -> dict[str, object]:
    labels = {
        CONTROL_PLANE_COMPONENT: "identity",
        CONTROL_PLANE_NS: domain.controller_namespace,
    }
    metadata = {"name": name, "namespace": domain.controller_namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
