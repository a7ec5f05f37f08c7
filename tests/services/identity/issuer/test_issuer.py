"""Loading issuers and anchors: both Secret forms, chains, and clear errors that name the file."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from linkerd.trust.facts import Window
from services.identity.errors import CredentialsError, IssuerNotReadyError, IssuerUntrustedError
from services.identity.issuer.issuer import IssuerSlot, load_issuer
from services.identity.issuer.leaf import sign_leaf
from tests.support.certificates import (
    DOMAIN,
    IDENTITY,
    Credentials,
    key_pem,
    make_ca,
    p256,
    rsa_key,
)
from tests.support.identity.issuers import Authorities, now

DAY = timedelta(days=1)
BUNDLE = "../ca-bundle.crt"


@pytest.fixture
def authorities(tmp_path: Path) -> Authorities:
    return Authorities(tmp_path / "issuer")


class TestForms:
    @pytest.mark.parametrize("scheme", ["linkerd.io/tls", "kubernetes.io/tls"])
    def test_both_secret_forms(self, tmp_path: Path, scheme: str) -> None:
        credentials = Credentials.make()
        directory, bundle = credentials.write(tmp_path, scheme=scheme)
        issuer = load_issuer(directory, scheme, bundle, DOMAIN, now())
        assert issuer.certificate == credentials.issuer.certificate
        assert issuer.anchors == (credentials.anchor.certificate,)

    def test_i36_files_of_the_other_form(self, tmp_path: Path) -> None:
        credentials = Credentials.make()
        directory, bundle = credentials.write(tmp_path, scheme="linkerd.io/tls")
        with pytest.raises(CredentialsError, match=r"tls\.crt: cannot be read: No such file"):
            load_issuer(directory, "kubernetes.io/tls", bundle, DOMAIN, now())

    def test_openssl_keys_in_both_encodings(self, authorities: Authorities) -> None:
        command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]
        sec1 = subprocess.run(command, capture_output=True, check=True).stdout
        pkcs8 = subprocess.run(
            ["openssl", "pkey"], input=sec1, capture_output=True, check=True
        ).stdout
        assert sec1.startswith(b"-----BEGIN EC PRIVATE KEY")
        assert pkcs8.startswith(b"-----BEGIN PRIVATE KEY")
        key = load_pem_private_key(sec1, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        authorities.key = key
        certificate = authorities.issue()
        for text in (sec1, pkcs8):
            loaded = authorities.load(certificate, key=text).key
            assert loaded.private_numbers() == key.private_numbers()

    def test_a_bundle_of_several(self, authorities: Authorities) -> None:
        """During a rotation the bundle holds the old and the new anchor."""
        anchors = (Credentials.make().anchor.certificate, authorities.root)
        assert authorities.load(authorities.issue(), anchors=anchors).anchors == anchors


class TestChains:
    def test_intermediates(self, authorities: Authorities) -> None:
        middle_key = p256()
        middle = make_ca("middle", middle_key, (authorities.root, authorities.root_key))
        issuer = make_ca("issuer", authorities.key, (middle, middle_key))
        loaded = authorities.load(issuer, middle)
        assert loaded.trust.intermediates == (middle,)
        assert loaded.intermediates == tuple(
            each.public_bytes(Encoding.DER) for each in (issuer, middle)
        )

    def test_a_missing_intermediate(self, authorities: Authorities) -> None:
        middle_key = p256()
        middle = make_ca("middle", middle_key, (authorities.root, authorities.root_key))
        issuer = make_ca("issuer", authorities.key, (middle, middle_key))
        says = r"issuer CN=issuer \(\w+\) was issued by CN=middle, which is neither"
        with pytest.raises(CredentialsError, match=says):
            authorities.load(issuer)

    def test_roots_are_not_for_peers(self, authorities: Authorities) -> None:
        issuer = authorities.issue()
        loaded = authorities.load(issuer, authorities.root)
        assert loaded.intermediates == (issuer.public_bytes(Encoding.DER),)

    def test_an_issuer_that_is_the_anchor(self, authorities: Authorities) -> None:
        """The default install of the upstream CLI."""
        authorities.key = authorities.root_key
        loaded = authorities.load(authorities.root)
        assert loaded.intermediates == ()

    def test_a_cross_signed_root_is_for_peers(self, authorities: Authorities) -> None:
        """It has a root's name and key, but leads to another root."""
        new_key = p256()
        cross = make_ca("new root", new_key, (authorities.root, authorities.root_key))
        issuer = make_ca("issuer", authorities.key, (cross, new_key))
        assert len(authorities.load(issuer, cross).intermediates) == 2

    def test_an_intermediate_as_anchor(self, authorities: Authorities) -> None:
        middle_key = p256()
        middle = make_ca("middle", middle_key, (authorities.root, authorities.root_key))
        issuer = make_ca("issuer", authorities.key, (middle, middle_key))
        assert authorities.load(issuer, anchors=[middle]).certificate == issuer

    @pytest.mark.parametrize("bits", [2048, 4096])
    def test_rsa_anchor(self, authorities: Authorities, bits: int) -> None:
        authorities.root_key = rsa_key(bits)
        authorities.root = make_ca("rsa root", authorities.root_key)
        assert authorities.load(authorities.issue()).trusted.holds(now())

    def test_without_key_identifiers(self, authorities: Authorities) -> None:
        authorities.root = make_ca("root", authorities.root_key, identifiers=False)
        assert authorities.load(authorities.issue(identifiers=False)).trusted.holds(now())


class TestRefusals:
    def check(
        self, authorities: Authorities, name: str, says: str, *args: object, **kw: object
    ) -> None:
        with pytest.raises(CredentialsError, match=says) as caught:
            authorities.load(*args, **kw)  # type: ignore[arg-type]  # passed through
        path = (authorities.directory / name).resolve()
        assert caught.value.path.resolve() == path
        assert str(caught.value).startswith(str(path))

    def test_key_mismatch(self, authorities: Authorities) -> None:
        self.check(
            authorities,
            "key.pem",
            "does not belong to the issuer certificate",
            authorities.issue(),
            key=key_pem(p256()),
        )

    def test_i39_not_a_ca(self, authorities: Authorities) -> None:
        self.check(authorities, "crt.pem", "is not a CA", authorities.issue(ca=False))

    def test_wrong_order(self, authorities: Authorities) -> None:
        self.check(authorities, "key.pem", "does not belong", authorities.root, authorities.issue())

    def test_expired(self, authorities: Authorities) -> None:
        old = authorities.issue(start=now() - 3 * DAY, lifetime=DAY)
        says = r"the issuer CN=issuer \(\w+\) has expired on 20\S+Z, and now it is 20\S+Z"
        self.check(authorities, "crt.pem", says, old)

    def test_not_valid_yet(self, authorities: Authorities) -> None:
        says = r"is not valid before 20\S+Z, and now it is 20"
        self.check(authorities, "crt.pem", says, authorities.issue(start=now() + DAY))

    def test_expired_anchor(self, authorities: Authorities) -> None:
        old = make_ca("root", authorities.root_key, start=now() - 3 * DAY, lifetime=DAY)
        says = r"the trust anchor CN=root \(\w+\) has expired on 20\S+Z, and now it is 20"
        self.check(authorities, BUNDLE, says, authorities.issue(), anchors=[old])

    def test_i43_foreign_root(self, authorities: Authorities) -> None:
        other = make_ca("root", p256())
        says = r"CN=root \(\w+\) has the name of whoever issued CN=issuer, but not the key"
        self.check(authorities, BUNDLE, says, authorities.issue(), anchors=[other])

    def test_no_room_for_leaves(self, authorities: Authorities) -> None:
        """The anchor's path length allows the issuer, but nothing below it."""
        root = make_ca("root", authorities.root_key, path_length=0)
        says = "allows 0 authorities below it"
        middle = authorities.issue()
        self.check(authorities, BUNDLE, says, middle, anchors=[root])

    @pytest.mark.parametrize(
        ("usages", "missing"),
        [
            ([ExtendedKeyUsageOID.CODE_SIGNING], "serverAuth and clientAuth"),
            ([ExtendedKeyUsageOID.SERVER_AUTH], "clientAuth"),
            ([ExtendedKeyUsageOID.CLIENT_AUTH], "serverAuth"),
        ],
    )
    def test_usages(
        self, authorities: Authorities, usages: list[ObjectIdentifier], missing: str
    ) -> None:
        issuer = authorities.issue(extensions=[x509.ExtendedKeyUsage(usages)])
        self.check(authorities, "crt.pem", f"leave out {missing}:", issuer)

    def test_any_usage_is_not_enough(self, authorities: Authorities) -> None:
        """Go takes it; rustls, and so proxies, do not."""
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
        issuer = authorities.issue(extensions=[usages])
        self.check(authorities, "crt.pem", "leave out serverAuth and clientAuth", issuer)

    def test_names_that_the_issuer_may_not_give(self, authorities: Authorities) -> None:
        constraints = x509.NameConstraints([x509.DNSName("other.example")], None)
        issuer = authorities.issue(extensions=[constraints])
        says = r"does not allow the name linkerd-identity\.mesh-sys\.\S+ \(its name constraints\)"
        self.check(authorities, "crt.pem", says, issuer)

    def test_i50_i51_keys(self, authorities: Authorities) -> None:
        authorities.key = rsa_key(2048)
        self.check(authorities, "key.pem", "the key is RSA", authorities.issue())

    def test_certificate_file_is_named(self, authorities: Authorities) -> None:
        with pytest.raises(CredentialsError, match=r"crt\.pem: it is empty"):
            authorities.load()

    def test_key_never_appears(self, authorities: Authorities) -> None:
        secret = key_pem(authorities.key, PrivateFormat.PKCS8).splitlines()[1]
        broken = b"-----BEGIN PRIVATE KEY-----\n" + secret[:-4] + b"\n-----END PRIVATE KEY-----\n"
        with pytest.raises(CredentialsError) as caught:
            authorities.load(authorities.issue(), key=broken)
        assert secret[:20].decode() not in str(caught.value)

    @pytest.mark.parametrize("text", [b"", b"banana"])
    def test_anchors(self, authorities: Authorities, text: bytes) -> None:
        authorities.load(authorities.issue())
        files = (authorities.directory, "linkerd.io/tls", authorities.bundle, DOMAIN, now())
        authorities.bundle.write_bytes(text)
        with pytest.raises(CredentialsError, match=r"ca-bundle\.crt: it is"):
            load_issuer(*files)
        authorities.bundle.unlink()
        with pytest.raises(CredentialsError, match=r"cannot be read: No such file .*ConfigMap"):
            load_issuer(*files)


class TestSlot:
    def test_i2_before_the_first_load(self) -> None:
        with pytest.raises(IssuerNotReadyError):
            IssuerSlot().take(now())

    def test_i30_expiry(self, authorities: Authorities) -> None:
        slot = IssuerSlot()
        issuer = authorities.load(authorities.issue(lifetime=DAY))
        slot.put(issuer)
        assert slot.take(now()) is issuer
        assert slot.take(issuer.trusted.end) is issuer
        with pytest.raises(IssuerUntrustedError, match=r"has expired on 20"):
            slot.take(issuer.trusted.end + timedelta(seconds=1))
        assert slot.take(now()) is issuer

    def test_expired_anchor(self, authorities: Authorities) -> None:
        authorities.root = make_ca("root", authorities.root_key, lifetime=DAY)
        slot = IssuerSlot()
        slot.put(authorities.load(authorities.issue()))
        with pytest.raises(IssuerUntrustedError, match=r"anchor CN=root \(\w+\) has expired on"):
            slot.take(now() + 2 * DAY)

    def test_another_anchor_takes_over(self, authorities: Authorities) -> None:
        """A root that was renewed with the same key, beside its predecessor."""
        short = make_ca("root", authorities.root_key, lifetime=DAY)
        long = make_ca("root", authorities.root_key, lifetime=20 * DAY)
        slot = IssuerSlot()
        slot.put(authorities.load(authorities.issue(), anchors=[short, long]))
        assert slot.take(now() + 2 * DAY).trusted.end == long.not_valid_after_utc
        with pytest.raises(IssuerUntrustedError):
            slot.take(now() + 21 * DAY)

    def test_leaf_without_authority_identifier(self, authorities: Authorities) -> None:
        issuer = authorities.load(authorities.issue(identifiers=False))
        leaf = sign_leaf(
            issuer.template,
            issuer.key,
            p256().public_key(),
            IDENTITY,
            Window(now(), now() + DAY),
        )
        with pytest.raises(x509.ExtensionNotFound):
            leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
