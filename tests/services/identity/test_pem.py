"""PEM rules: what issuer Secrets and trust bundles may look like."""

from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from linkerd.certificates import make_trust_anchor
from linkerd.testing.certificates import DOMAIN, certificate_pem, key_pem, p256
from services.identity import pem
from services.identity.errors import PemError

ONE = make_trust_anchor(DOMAIN).certificate
TWO = make_trust_anchor(DOMAIN).certificate
KEY = p256()
SEC1 = PrivateFormat.TraditionalOpenSSL


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
            (b"", "no certificates"),
            (b" \n", "no certificates"),
            (key_pem(KEY), "no certificates"),
            (b"hello", "it is not a PEM certificate"),
            (certificate_pem(ONE) + b"# old root\n", "after certificate 1 is not a PEM cert"),
            (certificate_pem(ONE, TWO)[:-40], "after certificate 1 is not a PEM certificate"),
            (certificate_pem(ONE).replace(b"\nMII", b"\nMI*"), "not valid base64"),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "certificate 1 does not parse",
            ),
        ],
    )
    def test_refused(self, text: bytes, says: str) -> None:
        with pytest.raises(PemError, match=says.replace("*", r"\*")):
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
        key = rsa.generate_private_key(65537, 2048)
        with pytest.raises(PemError, match="the key is RSA, and issuers must be ECDSA"):
            pem.issuer_key(key_pem(key, form))

    def test_i50_ec_parameters_first(self) -> None:
        parameters = (
            b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        )
        with pytest.raises(PemError, match="unsupported block type 'EC PARAMETERS': remove it"):
            pem.issuer_key(parameters + key_pem(KEY, SEC1))

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
