"""The trust anchor and the issuer of a cluster: made once, kept ever after.

They are not in the manifests, because keys belong in no tree: a second apply must not replace
them, and every certificate in the mesh hangs on them. The anchor's key is forgotten as soon as the
issuer is signed, so nobody can take it from the cluster; a later issuer comes with a new anchor.

Two objects must agree, and no cluster writes two at once. So the first, the issuer's Secret, holds
the certificate of its anchor too, and the second is made of it: whoever is interrupted between the
two, or comes at the same time as somebody else, goes on from what there is.
"""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

from linkerd.certificates import make_issuer, make_trust_anchor
from linkerd.delivery.errors import TrustError
from linkerd.delivery.kubectl import Kubectl, KubernetesObject
from linkerd.mesh.labels import CONTROL_PLANE_COMPONENT, CONTROL_PLANE_NS
from linkerd.mesh.names import IdentityDomain
from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import judge
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY, ISSUER, LINKERD_FORM, ROOT_KEY
from linkerd.trust.stored import stored_bundle, stored_pair

_Data = dict[str, str]


def ensure_trust(kubectl: Kubectl, domain: IdentityDomain) -> tuple[str, bool]:
    """The trust anchors of the cluster as PEM, and whether an object was made just now.

    The namespace must exist. Raises TrustError when what is there cannot be used, or is one half
    whose other cannot be made of it: a new one would break every certificate in use.
    """
    namespace = domain.controller_namespace
    made = False
    while True:
        anchors = kubectl.find("configmap", ANCHORS, namespace)
        issuer = kubectl.find("secret", ISSUER, namespace)
        if issuer is None and anchors is None:
            _create(kubectl, domain, "Secret", ISSUER, _new_issuer(domain))
        elif issuer is None:
            raise TrustError(_half(namespace, there=ANCHORS, missing=ISSUER))
        elif anchors is None:
            _create(kubectl, domain, "ConfigMap", ANCHORS, _anchor_of(issuer, domain))
        else:
            _require_good(anchors, issuer, domain)
            return stored_bundle(anchors, namespace), made
        made = True


def bundle_digest(anchors: str) -> str:
    """What pods carry so that they restart when the anchors change: SHA-256 in hex."""
    return hashlib.sha256(anchors.encode()).hexdigest()


def _new_issuer(domain: IdentityDomain) -> _Data:
    anchor = make_trust_anchor(domain)
    issuer = make_issuer(domain, anchor)
    files = {
        "crt.pem": issuer.certificate_pem, "key.pem": issuer.key_pem,
        ROOT_KEY: anchor.certificate_pem,
    }  # fmt: skip
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


def _anchor_of(issuer: KubernetesObject, domain: IdentityDomain) -> _Data:
    """The other half of a Secret that `_new_issuer` made, if it is one. Raises TrustError."""
    namespace = domain.controller_namespace
    encoded = (issuer.get("data") or {}).get(ROOT_KEY)
    if encoded is None:
        raise TrustError(_half(namespace, there=ISSUER, missing=ANCHORS))
    data = {ANCHORS_KEY: base64.b64decode(encoded).decode("ascii", "replace")}
    _require_good({"data": data}, issuer, domain)
    return data


def _require_good(
    anchors: KubernetesObject, issuer: KubernetesObject, domain: IdentityDomain
) -> None:
    """Whether identity will take them, before anything waits for it."""
    try:
        pair = stored_pair(anchors, issuer, domain.controller_namespace, LINKERD_FORM)
        judge(pair.trust, domain.identity_service, datetime.now(UTC))
    except TrustProblem as problem:
        raise TrustError(str(problem)) from problem


def _create(
    kubectl: Kubectl, domain: IdentityDomain, kind: str, name: str, data: dict[str, Any]
) -> None:
    namespace = domain.controller_namespace
    labels = {CONTROL_PLANE_COMPONENT: "identity", CONTROL_PLANE_NS: namespace}
    body = {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "data": data,
    }
    kubectl.create_once(body, doing=f"making {kind} {namespace}/{name}")


def _half(namespace: str, *, there: str, missing: str) -> str:
    return (
        f"namespace {namespace} has {there} but not {missing}; put back the one that belongs to "
        f"it, or delete {there} to have both made anew (every proxy must then restart)"
    )
