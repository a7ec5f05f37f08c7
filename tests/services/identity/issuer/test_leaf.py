"""The template of leaves, looked at by another parser (openssl) and by the rules of the sheet."""

import hashlib
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from linkerd.trust.facts import Window
from services.identity.issuer import csr
from services.identity.issuer.issuer import PemFile, make_issuer
from services.identity.issuer.leaf import issue, validity
from services.identity.model import Issuer, Leaf, LeafPolicy
from tests.support.certificates import (
    DOMAIN,
    IDENTITY,
    Credentials,
    certificate_pem,
    key_pem,
    make_ca,
    make_csr,
    p256,
)

DAY = timedelta(days=1)
POLICY = LeafPolicy(lifetime=DAY, clock_skew=timedelta(seconds=20))
CREDENTIALS = Credentials.make()
LONG = f"{'a' * 60}.{'b' * 60}.serviceaccount.identity.mesh-sys.corp.example"


def load(*certificates: x509.Certificate, key: bytes, anchor: x509.Certificate) -> Issuer:
    files = {
        "crt.pem": certificate_pem(*certificates), "key.pem": key, "ca": certificate_pem(anchor),
    }  # fmt: skip
    chain, private, bundle = (PemFile(Path(name), text) for name, text in files.items())
    return make_issuer(chain, private, bundle, DOMAIN, datetime.now(UTC))


ISSUER = load(
    CREDENTIALS.issuer.certificate,
    key=CREDENTIALS.issuer.key_pem,
    anchor=CREDENTIALS.anchor.certificate,
)


def sign(
    der: bytes, identity: str = IDENTITY, issuer: Issuer = ISSUER, policy: LeafPolicy = POLICY
) -> Leaf:
    request = csr.parse(der)
    csr.check_names(request, identity)
    window = validity(policy, datetime.now(UTC), issuer.not_after)
    return issue(issuer, request, csr.check_key(request), identity, window)


def parsed(leaf: Leaf) -> x509.Certificate:
    return x509.load_der_x509_certificate(leaf.der)


class TestTemplate:
    def test_every_field(self) -> None:
        key = p256()
        leaf = sign(make_csr(key=key, common_name=None))
        certificate = parsed(leaf)
        assert certificate.version is x509.Version.v3
        assert certificate.issuer == CREDENTIALS.issuer.certificate.subject
        assert certificate.public_key() == key.public_key()
        assert certificate.signature_algorithm_oid.dotted_string == "1.2.840.10045.4.3.2"
        assert certificate.not_valid_after_utc == leaf.not_after
        assert leaf.serial == certificate.serial_number
        assert leaf.sha256 == hashlib.sha256(leaf.der).hexdigest()

    def test_extensions(self) -> None:
        extensions = parsed(sign(make_csr())).extensions
        assert {type(each.value) for each in extensions} == {
            x509.KeyUsage,
            x509.ExtendedKeyUsage,
            x509.SubjectAlternativeName,
            x509.AuthorityKeyIdentifier,
        }
        usage = extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.digital_signature
        assert usage.value.key_encipherment
        assert not usage.value.key_cert_sign
        extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(extended) == [
            ExtendedKeyUsageOID.SERVER_AUTH,
            ExtendedKeyUsageOID.CLIENT_AUTH,
        ]
        identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        issuers = CREDENTIALS.issuer.certificate.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier
        )
        assert identifier.key_identifier == issuers.value.digest

    def test_subject_and_name(self) -> None:
        certificate = parsed(sign(make_csr(common_name=None)))
        assert names(certificate) == ([IDENTITY], False)
        (attribute,) = certificate.subject
        assert (attribute.oid, attribute.value) == (NameOID.COMMON_NAME, IDENTITY)

    def test_i12_empty_common_name(self) -> None:
        certificate = parsed(sign(make_csr()))
        assert not list(certificate.subject)
        assert names(certificate) == ([IDENTITY], True)

    @pytest.mark.parametrize("common_name", ["", None], ids=["no cn", "cn"])
    def test_name_over_64_characters(self, common_name: str | None) -> None:
        assert len(LONG) > 64
        certificate = parsed(sign(make_csr(LONG, common_name=common_name), LONG))
        assert not list(certificate.subject)
        assert names(certificate) == ([LONG], True)

    def test_i14_only_the_common_name_is_kept(self) -> None:
        """Upstream copies the whole subject; nobody has checked the rest of it."""
        certificate = parsed(sign(make_csr(common_name=None, organization="ops")))
        assert certificate.subject.rfc4514_string() == f"CN={IDENTITY}"

    def test_i15_never_a_ca(self) -> None:
        asked = x509.BasicConstraints(ca=True, path_length=None)
        extensions = parsed(sign(make_csr(extensions=[asked]))).extensions
        with pytest.raises(x509.ExtensionNotFound):
            extensions.get_extension_for_class(x509.BasicConstraints)

    def test_serials_are_random(self) -> None:
        serials = {sign(make_csr(key=KEY)).serial for _ in range(50)}
        assert len(serials) == 50
        assert min(serial.bit_length() for serial in serials) > 64

    @pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
    def test_any_issuer_signs_with_sha256(self, curve: ec.EllipticCurve) -> None:
        key = ec.generate_private_key(curve)
        root = make_ca("root", key)
        issuer = load(root, key=key_pem(key), anchor=root)
        certificate = parsed(sign(make_csr(), issuer=issuer))
        certificate.verify_directly_issued_by(root)
        assert certificate.signature_algorithm_oid.dotted_string == "1.2.840.10045.4.3.2"


KEY = p256()


class TestValidity:
    def test_i33_lifetime_and_skew(self) -> None:
        policy = LeafPolicy(timedelta(minutes=90), timedelta(seconds=7))
        now = datetime(2030, 1, 1, 12, tzinfo=UTC)
        assert validity(policy, now, now + 10 * DAY) == Window(
            now - timedelta(seconds=7), now + timedelta(seconds=5407)
        )

    def test_the_sheets_example(self) -> None:
        noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
        start, skew = noon - timedelta(seconds=20), timedelta(seconds=20)
        assert validity(POLICY, noon, noon + 90 * DAY) == Window(start, noon + DAY + skew)
        six = noon + timedelta(hours=6)
        assert validity(POLICY, noon, six) == Window(start, six)

    @given(st.timedeltas(timedelta(0), 60_000 * DAY), st.timedeltas(timedelta(0), DAY))
    def test_whole_seconds_within_the_limit(self, since: timedelta, rest: timedelta) -> None:
        now = datetime(2000, 1, 1, tzinfo=UTC) + since
        limit = now.replace(microsecond=0) + rest.seconds * timedelta(seconds=1)
        window = validity(POLICY, now, limit)
        assert window.start.microsecond == window.end.microsecond == 0
        assert window.start <= now - POLICY.clock_skew
        assert window.end <= limit

    def test_i31_not_after_the_issuer(self) -> None:
        root = make_ca("root", KEY, lifetime=timedelta(hours=2))
        issuer = load(root, key=key_pem(KEY), anchor=root)
        assert sign(make_csr(), issuer=issuer).not_after == root.not_valid_after_utc

    def test_i32_not_after_the_chain(self) -> None:
        root_key, middle_key, key = p256(), p256(), p256()
        root = make_ca("root", root_key, lifetime=30 * DAY)
        middle = make_ca("mid", middle_key, (root, root_key), lifetime=timedelta(hours=1))
        issuer = load(
            make_ca("issuer", key, (middle, middle_key), lifetime=30 * DAY),
            middle,
            key=key_pem(key),
            anchor=root,
        )
        assert sign(make_csr(), issuer=issuer).not_after == middle.not_valid_after_utc


class TestOpenssl:
    """What proxies' verifiers are like: strict about what a conforming CA writes."""

    @pytest.mark.parametrize("identity", [IDENTITY, LONG], ids=["short", "long"])
    @pytest.mark.parametrize("common_name", ["", None], ids=["no cn", "cn"])
    @pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
    def test_verifies_strictly(
        self, tmp_path: Path, identity: str, common_name: str | None, purpose: str
    ) -> None:
        leaf = sign(make_csr(identity, common_name=common_name), identity)
        (tmp_path / "leaf.pem").write_bytes(certificate_pem(parsed(leaf)))
        (tmp_path / "roots.pem").write_bytes(CREDENTIALS.anchor.certificate_pem)
        (tmp_path / "chain.pem").write_bytes(
            certificate_pem(*map(x509.load_der_x509_certificate, ISSUER.intermediates))
        )
        command = [
            "openssl", "verify", "-x509_strict", "-purpose", purpose,
            "-verify_hostname", identity, "-CAfile", "roots.pem",
            "-untrusted", "chain.pem", "leaf.pem",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout == "leaf.pem: OK\n", done.stderr


def names(certificate: x509.Certificate) -> tuple[list[str], bool]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert all(isinstance(each, x509.DNSName) for each in extension.value)
    return extension.value.get_values_for_type(x509.DNSName), extension.critical
