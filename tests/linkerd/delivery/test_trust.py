"""Certificates are made once for a cluster, fit together, and are never replaced."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from linkerd.delivery.errors import TrustError
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.trust import ensure_trust, fingerprint
from linkerd.local.cluster import LocalCluster
from linkerd.names import IdentityDomain
from linkerd.trust.objects import ANCHORS, ISSUER

pytestmark = pytest.mark.integration


@pytest.fixture
def kubectl(api_cluster: LocalCluster) -> Kubectl:
    return Kubectl(api_cluster.kubeconfig)


@pytest.fixture
def domain(namespace: str) -> IdentityDomain:
    return IdentityDomain(namespace, "cluster.local")


def test_issuer_is_signed_by_the_anchor(kubectl: Kubectl, domain: IdentityDomain) -> None:
    anchors, made = ensure_trust(kubectl, domain)
    assert made
    secret = kubectl.find("secret", ISSUER, domain.controller_namespace)
    assert secret is not None
    issuer = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["crt.pem"]))
    issuer.verify_directly_issued_by(x509.load_pem_x509_certificate(anchors.encode()))
    key = load_pem_private_key(base64.b64decode(secret["data"]["key.pem"]), password=None)
    assert key.public_key() == issuer.public_key()


def test_second_call_keeps_what_there_is(kubectl: Kubectl, domain: IdentityDomain) -> None:
    first, _ = ensure_trust(kubectl, domain)
    before = kubectl.find("secret", ISSUER, domain.controller_namespace)
    assert ensure_trust(kubectl, domain) == (first, False)
    assert kubectl.find("secret", ISSUER, domain.controller_namespace) == before


@pytest.mark.parametrize(
    ("kind", "gone", "left"), [("secret", ISSUER, ANCHORS), ("configmap", ANCHORS, ISSUER)]
)
def test_half_of_it_is_refused(
    kubectl: Kubectl, domain: IdentityDomain, kind: str, gone: str, left: str
) -> None:
    ensure_trust(kubectl, domain)
    kubectl("delete", kind, gone, f"--namespace={domain.controller_namespace}")
    with pytest.raises(TrustError, match=f"has {left} but not {gone}"):
        ensure_trust(kubectl, domain)


def test_fingerprint_is_the_hash_of_the_text() -> None:
    assert fingerprint("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
