"""The authorities that `linkerd.certificates` makes are what strict verifiers accept."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from linkerd.certificates import Authority, make_authority, make_issuer, make_trust_anchor
from linkerd.mesh.names import IdentityDomain

DOMAIN = IdentityDomain("linkerd", "cluster.local")


def common_name(certificate: x509.Certificate) -> str:
    (attribute,) = certificate.subject
    return str(attribute.value)


def test_names_say_what_they_are() -> None:
    anchor = make_trust_anchor(DOMAIN)
    assert common_name(anchor.certificate) == "root.linkerd.cluster.local"
    issuer = make_issuer(DOMAIN, anchor)
    assert common_name(issuer.certificate) == "identity.linkerd.cluster.local"
    assert issuer.certificate.issuer == anchor.certificate.subject


def test_openssl_accepts_the_chain_strictly(tmp_path: Path) -> None:
    anchor = make_trust_anchor(DOMAIN)
    (tmp_path / "anchor.pem").write_bytes(anchor.certificate_pem)
    (tmp_path / "issuer.pem").write_bytes(make_issuer(DOMAIN, anchor).certificate_pem)
    command = ["openssl", "verify", "-x509_strict", "-CAfile", "anchor.pem", "issuer.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "issuer.pem: OK\n", done.stderr


def test_pem_round_trip() -> None:
    anchor = make_trust_anchor(DOMAIN)
    key = load_pem_private_key(anchor.key_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)
    certificate = x509.load_pem_x509_certificate(anchor.certificate_pem)
    assert certificate == anchor.certificate
    assert certificate.public_key() == key.public_key()


@pytest.mark.parametrize("lifetime", [timedelta(days=1), timedelta(days=10_000)])
def test_an_issuer_never_outlives_its_anchor(lifetime: timedelta) -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    anchor = make_trust_anchor(DOMAIN, lifetime=timedelta(days=100), now=now)
    issuer = make_issuer(DOMAIN, anchor, lifetime=lifetime, now=now)
    end = min(timedelta(days=100), lifetime) + timedelta(seconds=10)
    assert issuer.certificate.not_valid_before_utc == now - timedelta(seconds=10)
    assert issuer.certificate.not_valid_after_utc == now + end


def test_long_trust_domains_fit_a_common_name() -> None:
    domain = IdentityDomain("linkerd", ".".join(["a-rather-long-label"] * 6))
    anchor = make_trust_anchor(domain)
    issuer = make_issuer(domain, anchor)
    names = [common_name(each.certificate) for each in (anchor, issuer)]
    assert all(len(name) <= 64 for name in names)
    assert names[0] != names[1]


def test_serials_and_keys_are_fresh() -> None:
    made: list[Authority] = [make_authority("ca", lifetime=timedelta(1)) for _ in range(3)]
    assert len({each.certificate.serial_number for each in made}) == 3
    assert len({each.key_pem for each in made}) == 3
    assert all(each.certificate.serial_number.bit_length() > 64 for each in made)
