"""PEM rules: what issuer Secrets and trust bundles may look like."""

import base64
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from linkerd.certificates import make_trust_anchor
from linkerd.trust import pem
from linkerd.trust.errors import PemError
from tests.support.certificates import DOMAIN, certificate_pem, key_pem, make_csr, p256, rsa_key

ONE = make_trust_anchor(DOMAIN).certificate
TWO = make_trust_anchor(DOMAIN).certificate
KEY = p256()
SEC1 = PrivateFormat.TraditionalOpenSSL


def csr_pem() -> bytes:
    return x509.load_der_x509_csr(make_csr()).public_bytes(Encoding.PEM)


def of_version_two() -> bytes:
    """Which nobody makes, and about which the library raises an error of its own kind."""
    three, two = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"
    der = ONE.public_bytes(Encoding.DER).replace(three, two)
    body = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def public_pem() -> bytes:
    return KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def ssh_pem() -> bytes:
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


class TestCertificates:
    def test_several_in_order(self) -> None:
        assert pem.certificates(certificate_pem(ONE, TWO)) == (ONE, TWO)

    @pytest.mark.parametrize(
        "text",
        [
            b"subject=/CN=ca\nissuer=/CN=ca\n" + certificate_pem(ONE),
            certificate_pem(ONE).replace(b"\n", b"\r\n"),
            certificate_pem(ONE).rstrip(b"\n"),
            certificate_pem(ONE) + b"\n  \n\n",
            certificate_pem(ONE) + key_pem(KEY) + certificate_pem(TWO),
        ],
        ids=["leading text", "crlf", "no last newline", "blank lines", "key ends the list"],
    )
    def test_accepted(self, text: bytes) -> None:
        assert pem.certificates(text) == (ONE,)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (b"", "it is empty: it must hold certificates"),
            (b" \n", "it is empty"),
            (key_pem(KEY), "no certificates"),
            (b"hello", "it is not a PEM certificate"),
            (certificate_pem(ONE) + b"# old\n", "what follows certificate 1 is not a PEM cert"),
            (certificate_pem(ONE, TWO)[:-40], "certificate 1 is not .*-----BEGIN has no -----END"),
            (b"\xef\xbb\xbf" + certificate_pem(ONE), "byte order mark"),
            (certificate_pem(ONE).decode().encode("utf-16"), "byte order mark"),
            (ONE.public_bytes(Encoding.DER), "looks like DER"),
            (base64.b64encode(certificate_pem(ONE)), "encoded once too often"),
            (certificate_pem(ONE).replace(b"-----B", b"  -----B"), "its lines are indented"),
            (key_pem(KEY) + certificate_pem(ONE), "certificate and key may be swapped"),
            (certificate_pem(ONE).replace(b"CERT", b"TRUSTED CERT"), "`openssl x509`"),
            (of_version_two(), "certificate 1 does not parse: .*version"),
            (csr_pem(), "it is what a CA makes a certificate of"),
            (certificate_pem(ONE).replace(b"\nMII", b"\nMI*"), "not valid base64"),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "certificate 1 does not parse",
            ),
        ],
    )
    def test_refused(self, text: bytes, says: str) -> None:
        with pytest.raises(PemError, match=says):
            pem.certificates(text)

    def test_i38_comment_after_the_bundle(self) -> None:
        with pytest.raises(PemError, match="not a PEM certificate"):
            pem.certificates(certificate_pem(ONE) + b"# rotated on Monday\n")


class TestIssuerKey:
    @pytest.mark.parametrize("form", [SEC1, PrivateFormat.PKCS8])
    @pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
    def test_ecdsa_in_both_forms(self, form: PrivateFormat, curve: ec.EllipticCurve) -> None:
        key = ec.generate_private_key(curve)
        assert pem.issuer_key(key_pem(key, form)).private_numbers() == key.private_numbers()

    def test_only_the_first_block_counts(self) -> None:
        key = pem.issuer_key(key_pem(KEY) + key_pem(p256()))
        assert key.private_numbers() == KEY.private_numbers()

    @pytest.mark.parametrize("form", [SEC1, PrivateFormat.PKCS8])
    def test_i51_rsa_is_refused(self, form: PrivateFormat) -> None:
        key = rsa_key(2048)
        with pytest.raises(PemError, match="the key is RSA, and issuers must be ECDSA"):
            pem.issuer_key(key_pem(key, form))

    def test_i50_ec_parameters_first(self) -> None:
        parameters = (
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        )
        with pytest.raises(PemError, match="unsupported block type 'EC PARAMETERS': remove it"):
            pem.issuer_key(parameters + key_pem(KEY, SEC1))

    def test_encrypted_in_the_old_form(self) -> None:
        """Which `openssl ec -aes256` writes: headers in the block, and the key's own type."""
        text = KEY.private_bytes(Encoding.PEM, SEC1, BestAvailableEncryption(b"x"))
        assert b"Proc-Type: 4,ENCRYPTED" in text
        with pytest.raises(PemError, match=r"EC PRIVATE KEY block is encrypted .* `openssl pkey"):
            pem.issuer_key(text)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (b"", "it is empty"),
            (base64.b64encode(key_pem(KEY)), "encoded once too often"),
            (key_pem(KEY).replace(b"-----END", b"----END"), "-----BEGIN has no -----END"),
            (certificate_pem(ONE), "certificate and key may be swapped"),
            (public_pem(), "the private key belongs here"),
            (KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "like DER"),
            (ssh_pem(), "ssh-keygen"),
        ],
    )
    def test_what_is_there_instead_is_said(self, text: bytes, says: str) -> None:
        with pytest.raises(PemError, match=says):
            pem.issuer_key(text)

    def test_encrypted(self) -> None:
        text = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        with pytest.raises(PemError, match="'ENCRYPTED PRIVATE KEY': decrypt it first"):
            pem.issuer_key(text)

    @pytest.mark.parametrize(
        "key",
        [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP224R1())],
        ids=["ed25519", "p224"],
    )
    def test_other_keys(self, key: ec.EllipticCurvePrivateKey) -> None:
        with pytest.raises(PemError, match="must be ECDSA on P-256"):
            pem.issuer_key(key_pem(key))

    def test_no_block(self) -> None:
        with pytest.raises(PemError, match="no PEM block"):
            pem.issuer_key(b"secret")

    def test_broken_content_is_not_quoted(self) -> None:
        text = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
        with pytest.raises(PemError, match="does not hold a key that can be read") as caught:
            pem.issuer_key(text)
        assert "secret" not in repr(caught.value)
        assert caught.value.__cause__ is None


PIECES = st.lists(
    st.sampled_from(
        [
            b"-----BEGIN CERTIFICATE-----\n",
            b"-----END CERTIFICATE-----\n",
            b"-----BEGIN PRIVATE KEY-----\n",
            b"-----END PRIVATE KEY-----\n",
            b"AAAA",
            b"\n",
            b"-",
            certificate_pem(ONE),
            key_pem(KEY),
        ]
    )
    | st.binary(max_size=20),
    max_size=8,
).map(b"".join)


@given(PIECES)
def test_any_text_gives_a_value_or_a_pem_error(text: bytes) -> None:
    for decode in (pem.certificates, pem.issuer_key):
        with suppress(PemError):
            assert decode(text)


def test_long_rubbish_is_fast() -> None:
    """No input makes the block pattern backtrack."""
    rubbish = b"-----BEGIN CERTIFICATE-----\n" * 20_000
    with pytest.raises(PemError):
        pem.certificates(rubbish)
