"""Signing requests: which are granted, which refused, and that no bytes do worse."""

import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.errors import (
    CallError,
    InvalidRequestError,
    RefusedError,
    UnsignableKeyError,
)
from services.identity.issuer import csr
from tests.support.certificates import IDENTITY, PrivateKey, make_csr, p256, rsa_key

LONG = f"{'a' * 60}.{'b' * 60}.serviceaccount.identity.mesh-sys.corp.example"


def judge(der: bytes, identity: str = IDENTITY) -> None:
    """Everything that a request goes through."""
    request = csr.parse(der)
    csr.check_names(request, identity)
    csr.check_key(request)
    csr.check_possession(request)


class TestGranted:
    @pytest.mark.parametrize(
        "der",
        [
            make_csr(),
            make_csr(common_name=None),
            make_csr(organization="ops", common_name=None),
            make_csr(extensions=[x509.BasicConstraints(ca=True, path_length=None)]),
            make_csr(
                names=[x509.DNSName(IDENTITY), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))]
            ),
        ],
        ids=["no cn", "cn", "i14 organisation", "i15 asks to be a CA", "names that are dropped"],
    )
    def test_names(self, der: bytes) -> None:
        judge(der)

    @pytest.mark.parametrize(
        "curve", [ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]
    )
    def test_i18_curves(self, curve: ec.EllipticCurve) -> None:
        judge(make_csr(key=ec.generate_private_key(curve)))

    def test_made_by_openssl(self, tmp_path: Path) -> None:
        judge(openssl_csr(tmp_path, IDENTITY, subject=f"/CN={IDENTITY}"))
        judge(openssl_csr(tmp_path, LONG, subject="/"), LONG)

    def test_common_name_over_64_characters(self) -> None:
        """Upstream's in-pod program writes such ones, whatever the limit says."""
        judge(make_csr(LONG, common_name=None), LONG)


class TestRefused:
    @pytest.mark.parametrize(
        ("der", "says"),
        [
            (make_csr(names=[], common_name=None), "exactly one DNS name .* and has 0"),
            (
                make_csr(names=[x509.DNSName(IDENTITY), x509.DNSName("other.example")]),
                "exactly one DNS name .* and has 2",
            ),
            (make_csr(names=[x509.DNSName(IDENTITY)] * 2), "exactly one DNS name"),
            (make_csr(names=[x509.DNSName(IDENTITY.upper())]), "for another name"),
            (make_csr(names=[x509.DNSName(f"{IDENTITY}.")]), "for another name"),
            (make_csr(names=[x509.DNSName("*.shop.example")]), r"csr='\*\.shop\.example' req="),
            (make_csr(common_name="other.example"), "common name 'other.example'"),
            (
                make_csr(names=[x509.DNSName(IDENTITY), x509.IPAddress(ip_address("10.1.2.3"))]),
                r"IP addresses \('10\.1\.2\.3'\)",
            ),
            (
                make_csr(names=[x509.DNSName(IDENTITY), x509.RFC822Name("a@corp.example")]),
                "e-mail addresses",
            ),
            (
                make_csr(
                    names=[
                        x509.DNSName(IDENTITY),
                        x509.UniformResourceIdentifier("spiffe://corp.example/a"),
                    ]
                ),
                "URIs",
            ),
            (make_csr(names=[x509.DNSName(f"n{i}.example") for i in range(1000)]), "has 1000"),
        ],
        ids=[
            "i8 no san",
            "i9 two names",
            "twice the same",
            "i10 letter case",
            "trailing dot",
            "wildcard",
            "i11 other cn",
            "i13 ip",
            "i13 e-mail",
            "i13 uri",
            "1000 names",
        ],
    )
    def test_names(self, der: bytes, says: str) -> None:
        with pytest.raises(RefusedError, match=says):
            judge(der)

    @pytest.mark.parametrize(
        "make",
        [partial(rsa_key, 2048), ed25519.Ed25519PrivateKey.generate],
        ids=["i17 rsa", "ed25519"],
    )
    def test_keys(self, make: Callable[[], PrivateKey]) -> None:
        with pytest.raises(UnsignableKeyError, match="must contain an ECDSA public key"):
            judge(make_csr(key=make()))

    def test_i16_flipped_signature_bit(self) -> None:
        der = bytearray(make_csr())
        der[-1] ^= 1
        with pytest.raises(RefusedError, match="not signed by the private key"):
            judge(bytes(der))

    def test_a_key_that_is_another_ones(self) -> None:
        """The proof of possession: someone else's public key, signed by one's own."""
        mine, theirs = p256(), p256()
        stolen = make_csr(key=mine).replace(point(mine), point(theirs))
        with pytest.raises(RefusedError, match="not signed by the private key"):
            judge(stolen)


class TestMalformed:
    @pytest.mark.parametrize(
        ("der", "says"),
        [
            (b"", "not a PKCS#10 request in DER"),
            (b"\x30\x00", "not a PKCS#10 request in DER"),
            (make_csr()[:-1], "not a PKCS#10 request in DER"),
            (make_csr() + b"\n", "ExtraData"),
            (x509.load_der_x509_csr(make_csr()).public_bytes(Encoding.PEM), "it is PEM; send DER"),
            (make_csr(key=ec.generate_private_key(ec.SECP256K1())), "unsupported curve: secp256k1"),
            (
                make_csr(names=[x509.IPAddress(ip_address("10.1.2.3"))]).replace(
                    b"\x87\x04", b"\x87\x03"
                ),
                "not a PKCS#10",
            ),
        ],
        ids=["empty", "no content", "i7 cut", "i7 trailing", "i6 pem", "curve", "odd ip"],
    )
    def test_parse(self, der: bytes, says: str) -> None:
        with pytest.raises(InvalidRequestError, match=says):
            csr.parse(der)

    def test_size(self) -> None:
        csr.check_size(bytes(8192))
        with pytest.raises(InvalidRequestError, match="has 8193 bytes; at most 8192"):
            csr.check_size(bytes(8193))

    def test_the_largest_that_proxies_send_is_small(self) -> None:
        """P-521, the longest name that there is, in both places."""
        name = ".".join(["a" * 63] * 3 + ["b" * 61])
        key = ec.generate_private_key(ec.SECP521R1())
        assert len(make_csr(name, key=key, common_name=name[:64])) < csr.SMALL_BYTES

    def test_name_that_is_not_ascii(self) -> None:
        der = make_csr(names=[x509.DNSName("buecher.example")]).replace(
            b"buecher", b"b\xc3\xbccher"
        )
        with pytest.raises(InvalidRequestError, match=r"not ASCII|not a PKCS#10"):
            csr.parse(der)


KEY = p256()
VALID = make_csr(common_name=None, organization="ops")
TBS = x509.load_der_x509_csr(VALID).tbs_certrequest_bytes


@given(st.binary(max_size=300))
def test_arbitrary_bytes(der: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        csr.parse(der)


@settings(max_examples=500)
@given(
    st.lists(
        st.tuples(st.integers(0, len(VALID) - 1), st.binary(max_size=3), st.integers(0, 3)),
        min_size=1,
        max_size=4,
    )
)
def test_mutated_requests_fail_in_no_other_way(edits: list[tuple[int, bytes, int]]) -> None:
    der = bytearray(VALID)
    for position, text, length in edits:
        der[position : position + length] = text
    with suppress(CallError):
        judge(bytes(der))
        # Granted: then nothing that was signed has changed.
        assert x509.load_der_x509_csr(bytes(der)).tbs_certrequest_bytes == TBS


NAMES = st.sampled_from(["", "a.example", "A.example", "a.example.", "b.example", "*", IDENTITY])


@given(st.lists(NAMES.filter(bool), max_size=3), NAMES, NAMES.filter(bool))
def test_granted_only_if_every_name_is_the_identity(
    names: list[str], common_name: str, identity: str
) -> None:
    der = make_csr(common_name=common_name, names=[x509.DNSName(name) for name in names], key=KEY)
    if names == [identity] and common_name in {"", identity}:
        judge(der, identity)
    else:
        with pytest.raises(RefusedError):
            judge(der, identity)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def openssl_csr(directory: Path, name: str, *, subject: str) -> bytes:
    key = directory / "key.pem"
    run(directory, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    alternative = f"subjectAltName=DNS:{name}"
    return run(
        directory, "req", "-new", "-key", str(key), "-subj", subject,
        "-addext", alternative, "-outform", "DER",
    )  # fmt: skip


def run(directory: Path, *command: str) -> bytes:
    return subprocess.run(
        ["openssl", *command], cwd=directory, capture_output=True, check=True
    ).stdout
