"""Services have pairs that last, and whoever calls them trusts what they serve by at any moment."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509

from linkerd.certificates import make_authority, make_server
from linkerd.delivery.certificates import LIFETIME, SETTLED, with_certificates
from linkerd.delivery.errors import TrustError
from linkerd.delivery.kubectl import Kubectl
from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.cluster import LocalCluster
from linkerd.trust.pem import certificates
from linkerd.trust.serving import (
    ServerPair,
    read_server_pair,
    require_names,
    require_trusted,
    require_valid,
)
from tests.support.certificates import certificate_pem, key_pem, make_ca, p256
from tests.support.dying import DyingKubectl, Killed
from tests.support.webhooks.called import NAMES, configuration, manifests

SERVICE = "paint-validator"
SECRET = f"{SERVICE}-k8s-tls"
GROUP = "/apis/admissionregistration.k8s.io/v1"
PLURAL = "validatingwebhookconfigurations"
Files = Mapping[str, bytes]


class Place:
    """A namespace whose ConfigMaps a configuration sends to a service. Looked at without kubectl,
    which takes its time."""

    def __init__(self, cluster: LocalCluster, api: AdminApi, namespace: str) -> None:
        self.api = api
        self.kubectl = Kubectl(cluster.kubeconfig)
        self.kubeconfig = cluster.kubeconfig
        self.namespace = namespace
        self.secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self.configuration = configuration(NAMES[0], namespace, SERVICE)
        self.manifests = manifests(self.configuration)
        self.now = datetime.now(UTC)
        self.due = self.now + LIFETIME * 0.7

    def install(self, now: datetime | None = None, kubectl: Kubectl | None = None) -> list[str]:
        """As an install does; the Secrets that it changed."""
        rendered, changed = with_certificates(
            kubectl or self.kubectl, self.manifests, self.namespace, now=now or self.now
        )
        (given,) = yaml.safe_load_all(rendered)
        self.api.apply(f"{GROUP}/{PLURAL}/{self.namespace}", given)
        return changed

    def files(self) -> Files:
        """What the Secret holds."""
        secret = self.api.request("GET", f"{self.secrets}/{SECRET}")
        assert secret["type"] == "kubernetes.io/tls"
        return {name: base64.b64decode(text) for name, text in secret["data"].items()}

    def pair(self) -> ServerPair:
        files = self.files()
        return read_server_pair(
            files["tls.crt"], files["tls.key"], certificate_at="tls.crt", key_at="tls.key"
        )

    def bundle(self) -> tuple[x509.Certificate, ...]:
        """What the configuration trusts."""
        found = self.api.request("GET", f"{GROUP}/{PLURAL}/{self.namespace}")
        return certificates(base64.b64decode(found["webhooks"][0]["clientConfig"]["caBundle"]))

    def require_served(self, now: datetime) -> None:
        """The API server trusts what the Secret holds."""
        pair = self.pair()
        require_names(pair, [f"{SERVICE}.{self.namespace}.svc"])
        require_valid(pair, now)
        require_trusted(pair, self.bundle(), "caBundle", now)

    def put(self, files: Files) -> None:
        """Somebody else makes the Secret."""
        data = {name: base64.b64encode(content).decode() for name, content in files.items()}
        body = {"metadata": {"name": SECRET}, "type": "kubernetes.io/tls", "data": data}
        self.api.request("POST", self.secrets, body)


@pytest.fixture
def place(api_cluster: LocalCluster, namespace: str) -> Iterator[Place]:
    with api_cluster.api() as api:
        yield Place(api_cluster, api, namespace)
        with suppress(ApiRefusedError):
            api.request("DELETE", f"{GROUP}/{PLURAL}/{namespace}")


pytestmark = pytest.mark.integration


def test_made_once(place: Place) -> None:
    assert place.install() == [f"secret/{SECRET}"]
    place.require_served(place.now)
    before = place.files()
    assert place.install(place.now + timedelta(days=400)) == []
    assert place.files() == before
    assert len(place.bundle()) == 1
    assert "PRIVATE KEY" not in before["ca.crt"].decode()


def test_renewed_in_the_last_third_of_its_life(place: Place) -> None:
    place.install()
    old, due, settled = place.pair(), place.due, place.due + 2 * SETTLED
    assert place.install(due) == [f"secret/{SECRET}"]
    new = place.pair()
    assert new.certificate != old.certificate
    place.require_served(due)
    require_trusted(old, place.bundle(), "caBundle", due)  # pods have not heard of it yet
    assert place.install(due + SETTLED / 2) == []
    assert place.install(settled) == [f"secret/{SECRET}"]
    assert len(place.bundle()) == 1
    assert place.pair().certificate == new.certificate
    place.require_served(settled)


def test_any_interruption_of_a_renewal_is_taken_up_again(place: Place) -> None:
    """Killed before its first call of kubectl, then before its second, until one comes through.
    What pods may still serve by, and what the Secret holds, are trusted all the time."""
    place.install()
    old, deaths = place.pair(), 0
    while True:
        try:
            place.install(place.due, DyingKubectl(place.kubeconfig, deaths))
            break
        except Killed:
            deaths += 1
        place.require_served(place.due)
        require_trusted(old, place.bundle(), "caBundle", place.due)
    assert deaths >= 4
    place.require_served(place.due)
    require_trusted(old, place.bundle(), "caBundle", place.due)
    assert place.pair().certificate != old.certificate
    assert place.install(place.due) == []


class Interfering(Kubectl):
    """Before each of our writes somebody else, who installs too, does the whole."""

    def __init__(self, place: Place, now: datetime) -> None:
        super().__init__(place.kubeconfig)
        self._place, self._now = place, now

    def __call__(self, *arguments: str, stdin: str | None = None, doing: str = "") -> str:
        if arguments[0] in ("patch", "create", "replace"):
            self._place.install(self._now)
        return super().__call__(*arguments, stdin=stdin, doing=doing)


@pytest.mark.parametrize("renewal", [False, True])
def test_two_at_once_end_with_one_pair(place: Place, renewal: bool) -> None:
    if renewal:
        place.install()
    now = place.due if renewal else place.now
    place.install(now, Interfering(place, now))
    place.require_served(now)


def test_a_secret_that_is_deleted_is_made_anew_and_the_old_root_trusted_on(place: Place) -> None:
    """The way to renew one before its time."""
    place.install()
    old = place.pair()
    place.api.request("DELETE", f"{place.secrets}/{SECRET}")
    assert place.install() == [f"secret/{SECRET}"]
    place.require_served(place.now)
    require_trusted(old, place.bundle(), "caBundle", place.now)


def test_one_of_ours_that_is_spoilt_is_made_anew(place: Place) -> None:
    place.install()
    spoilt = {"data": {"tls.key": base64.b64encode(key_pem(p256())).decode()}}
    path = f"{place.secrets}/{SECRET}"
    place.api.request("PATCH", path, spoilt, kind="merge-patch+json")
    place.install()
    place.require_served(place.now)


class TestSomebodyElses:
    """cert-manager's, or made by hand: used or refused, never changed."""

    def test_a_good_one(self, place: Place) -> None:
        root = make_authority("theirs", lifetime=timedelta(days=1))
        leaf = make_server([f"{SERVICE}.{place.namespace}.svc"], root, lifetime=timedelta(days=1))
        files = {
            "tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem,
            "ca.crt": root.certificate_pem,
        }  # fmt: skip
        place.put(files)
        assert place.install(datetime.now(UTC)) == []
        place.require_served(datetime.now(UTC))
        assert place.files() == files

    def test_a_self_signed_one_without_a_root(self, place: Place) -> None:
        """As upstream's charts make."""
        key, name = p256(), f"{SERVICE}.{place.namespace}.svc"
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        own = make_ca(name, key, ca=False, extensions=[names])
        place.put({"tls.crt": certificate_pem(own), "tls.key": key_pem(key)})
        assert place.install(datetime.now(UTC)) == []
        place.require_served(datetime.now(UTC))

    def test_one_that_cannot_be_used(self, place: Place) -> None:
        root = make_authority("theirs", lifetime=timedelta(days=1))
        leaf = make_server(["other.svc"], root, lifetime=timedelta(days=1))
        files = {"tls.crt": leaf.certificate_pem, "tls.key": leaf.key_pem}
        place.put(files)
        with pytest.raises(TrustError, match=rf"{SECRET}, tls\.crt: .* is not for {SERVICE}\."):
            place.install()
        assert place.files() == files

    @pytest.mark.parametrize(
        "theirs",
        [
            {"annotations": {"cert-manager.io/inject-ca-from": "linkerd/paint"}},
            {"caBundle": "LS0tLS0="},
        ],
    )
    def test_manifests_that_say_whom_to_trust(self, place: Place, theirs: dict[str, Any]) -> None:
        text = manifests(configuration(NAMES[0], place.namespace, SERVICE, **theirs))
        assert with_certificates(place.kubectl, text, place.namespace) == (text, [])
        assert place.kubectl.find("secret", SECRET, place.namespace) is None


def test_manifests_that_have_nothing_called_stay_as_they_are(place: Place) -> None:
    text = "# a comment\nkind: Service\nmetadata: {name: x}\n---\n"
    assert with_certificates(place.kubectl, text, place.namespace) == (text, [])


def test_an_extension_api_has_its_bundle(place: Place) -> None:
    service = {"name": "tap", "namespace": place.namespace}
    api = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1alpha1.toy.example"},
        "spec": {"group": "toy.example", "version": "v1alpha1", "service": service},
    }
    rendered, changed = with_certificates(place.kubectl, manifests(api), place.namespace)
    assert changed == ["secret/tap-k8s-tls"]
    (given,) = yaml.safe_load_all(rendered)
    assert certificates(base64.b64decode(given["spec"]["caBundle"]))
