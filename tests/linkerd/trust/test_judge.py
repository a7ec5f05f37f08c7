"""The judgement of three texts, whatever is in them."""

import base64
import warnings
from contextlib import suppress
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import judge, read_pair
from tests.support.authorities import PLACES, key_usage, named, permitted, usages, with_issuer
from tests.support.certificates import certificate_pem, key_pem
from tests.support.verifiers import HOST

EXTENSIONS = [
    *usages(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    *key_usage(sign=True), *permitted(x509.DNSName(HOST)), *named(HOST),
]  # fmt: skip
CASE = with_issuer(extensions=EXTENSIONS)
CERTIFICATE, KEY = CASE.issuer
ROOT = CASE.anchors[0]


def pem(der: bytes) -> bytes:
    body = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def spoilt(certificate: x509.Certificate) -> st.SearchStrategy[bytes]:
    """Its DER with a few octets replaced."""
    der = certificate.public_bytes(Encoding.DER)

    def replaced(changes: dict[int, int]) -> bytes:
        return bytes(changes.get(at, octet) for at, octet in enumerate(der))

    where = st.integers(0, len(der) - 1)
    octets = st.integers(0, 255) | st.sampled_from([0, 1, 2, 0x30, 0x31, 0x80])
    return st.dictionaries(where, octets, max_size=3).map(replaced)


@settings(max_examples=400, deadline=None)
@given(issuer=spoilt(CERTIFICATE), root=spoilt(ROOT))
def test_any_certificates_give_a_verdict_or_a_problem(issuer: bytes, root: bytes) -> None:
    """The library parses late, and raises many things then: none of them gets past the judge."""
    texts = (pem(root), pem(issuer), key_pem(KEY))
    with warnings.catch_warnings(), suppress(TrustProblem):
        warnings.simplefilter("ignore")  # of serial numbers that are no good, for instance
        pair = read_pair(*texts, PLACES)
        assert judge(pair.trust, HOST, datetime.now(UTC)).path.certificates


def test_the_good_ones_are_good() -> None:
    texts = (certificate_pem(ROOT), certificate_pem(CERTIFICATE), key_pem(KEY))
    verdict = judge(read_pair(*texts, PLACES).trust, HOST, datetime.now(UTC))
    assert verdict.path.certificates == (CERTIFICATE, ROOT)
    assert verdict.warnings == ()
