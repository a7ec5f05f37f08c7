"""Certificates are made once for a cluster, fit together, and are never replaced."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from linkerd.certificates import make_issuer
from linkerd.delivery.errors import KubectlError, TrustError
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.trust import bundle_digest, ensure_trust
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.names import IdentityDomain
from linkerd.trust.objects import ANCHORS, ANCHORS_KEY, ISSUER
from tests.support.certificates import Credentials
from tests.support.dying import DyingKubectl, Killed

pytestmark = pytest.mark.integration

KINDS = {"secret": ISSUER, "configmap": ANCHORS}


@pytest.fixture
def kubectl(api_cluster: LocalCluster) -> Kubectl:
    return Kubectl(api_cluster.kubeconfig)


@pytest.fixture
def domain(namespace: str) -> IdentityDomain:
    return IdentityDomain(namespace, "cluster.local")


def stored(kubectl: Kubectl, domain: IdentityDomain) -> list[Mapping[str, object] | None]:
    return [kubectl.find(kind, name, domain.controller_namespace) for kind, name in KINDS.items()]


def put_issuer(kubectl: Kubectl, domain: IdentityDomain, files: Mapping[str, bytes]) -> None:
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    metadata = {"name": ISSUER, "namespace": domain.controller_namespace}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    kubectl.apply(json.dumps(body), doing="storing an issuer")


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
    before = stored(kubectl, domain)
    assert ensure_trust(kubectl, domain) == (first, False)
    assert stored(kubectl, domain) == before


@pytest.mark.parametrize("call", range(1, 7))
def test_any_interruption_is_taken_up_again(
    kubectl: Kubectl, api_cluster: LocalCluster, domain: IdentityDomain, call: int
) -> None:
    """Two looks and a write, twice, and after that nothing but a look."""
    with pytest.raises(Killed):
        ensure_trust(DyingKubectl(api_cluster.kubeconfig, call), domain)
    left = stored(kubectl, domain)
    anchors, _ = ensure_trust(kubectl, domain)
    whole = stored(kubectl, domain)
    assert None not in whole
    assert all(was in (None, now) for was, now in zip(left, whole, strict=True)), "nothing replaced"
    assert ensure_trust(kubectl, domain) == (anchors, False)
    assert stored(kubectl, domain) == whole


class Interfering(Kubectl):
    """Before each of our writes somebody else, who installs too, does the whole."""

    def __init__(self, kubectl: Kubectl, cluster: LocalCluster, domain: IdentityDomain) -> None:
        super().__init__(cluster.kubeconfig)
        self._kubectl = kubectl
        self._domain = domain

    def __call__(self, *arguments: str, stdin: str | None = None, doing: str = "") -> str:
        if stdin is not None:
            ensure_trust(self._kubectl, self._domain)
        return self._kubectl(*arguments, stdin=stdin, doing=doing)


def test_two_at_once_end_with_one_trust(
    kubectl: Kubectl, api_cluster: LocalCluster, domain: IdentityDomain
) -> None:
    anchors, _ = ensure_trust(Interfering(kubectl, api_cluster, domain), domain)
    assert ensure_trust(kubectl, domain) == (anchors, False)


@pytest.mark.parametrize(
    ("kind", "gone", "left"), [("secret", ISSUER, ANCHORS), ("configmap", ANCHORS, ISSUER)]
)
def test_half_of_it_is_refused(
    kubectl: Kubectl, domain: IdentityDomain, kind: str, gone: str, left: str
) -> None:
    """Where the other half cannot be made of it: no Secret holds an anchor's key, and one that
    people made says nothing of the anchor."""
    own = Credentials.make(domain)
    put_issuer(
        kubectl, domain, {"crt.pem": own.issuer.certificate_pem, "key.pem": own.issuer.key_pem}
    )
    namespace = f"--namespace={domain.controller_namespace}"
    bundle = f"--from-literal={ANCHORS_KEY}={own.anchor.certificate_pem.decode()}"
    kubectl("create", "configmap", ANCHORS, namespace, bundle)
    kubectl("delete", kind, gone, namespace)
    with pytest.raises(TrustError, match=f"has {left} but not {gone}"):
        ensure_trust(kubectl, domain)


def test_anchors_that_are_lost_come_back_from_the_issuer(
    kubectl: Kubectl, domain: IdentityDomain
) -> None:
    anchors, _ = ensure_trust(kubectl, domain)
    kubectl("delete", "configmap", ANCHORS, f"--namespace={domain.controller_namespace}")
    assert ensure_trust(kubectl, domain) == (anchors, True)


def test_a_root_that_is_not_the_issuer_s_is_no_anchor(
    kubectl: Kubectl, domain: IdentityDomain
) -> None:
    own, other = Credentials.make(domain), Credentials.make(domain)
    files = {"crt.pem": own.issuer.certificate_pem, "key.pem": own.issuer.key_pem}
    put_issuer(kubectl, domain, {**files, "ca.crt": other.anchor.certificate_pem})
    with pytest.raises(TrustError, match="has the name of whoever issued"):
        ensure_trust(kubectl, domain)
    assert stored(kubectl, domain)[1] is None


def test_an_issuer_that_has_ended_is_said_before_anything_waits_for_it(
    kubectl: Kubectl, domain: IdentityDomain
) -> None:
    past = datetime.now(UTC) - timedelta(days=9)
    own = Credentials.make(domain, now=past)
    old = make_issuer(domain, own.anchor, lifetime=timedelta(days=1), now=past)
    files = {"crt.pem": old.certificate_pem, "key.pem": old.key_pem}
    put_issuer(kubectl, domain, {**files, "ca.crt": own.anchor.certificate_pem})
    with pytest.raises(TrustError, match=r"Secret .*, crt\.pem: the issuer .* has expired on"):
        ensure_trust(kubectl, domain)


def test_a_write_that_fails_is_an_error(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError, match="not found"):
        ensure_trust(kubectl, IdentityDomain("no-such-namespace", "cluster.local"))


def test_fingerprint_is_the_hash_of_the_text() -> None:
    assert bundle_digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
