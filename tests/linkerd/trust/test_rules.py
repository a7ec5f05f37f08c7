"""What single authorities are held to, and what is said of those that fail."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from linkerd.trust import describe, rules
from linkerd.trust.facts import Facts
from tests.support.authorities import key_usage, usages
from tests.support.certificates import Credentials, PrivateKey, make_ca, p256, rsa_key

NOW = datetime(2030, 6, 1, tzinfo=UTC)
GOOD = Credentials.make(now=NOW)
ROOT, ISSUER = GOOD.anchor.certificate, GOOD.issuer.certificate
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("make", "kind", "fine", "risky"),
    [
        (p256, "ECDSA P-256", True, False),
        (partial(ec.generate_private_key, ec.SECP384R1()), "ECDSA P-384", True, False),
        (partial(ec.generate_private_key, ec.SECP521R1()), "ECDSA P-521", True, True),
        (partial(ec.generate_private_key, ec.SECP256K1()), "ECDSA secp256k1", False, False),
        (partial(rsa_key, 1024), "RSA 1024", False, False),
        (partial(rsa_key, 2048), "RSA 2048", True, False),
        (partial(rsa_key, 3072), "RSA 3072", True, False),
        (ed25519.Ed25519PrivateKey.generate, "Ed25519", True, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys(make: Callable[[], PrivateKey], kind: str, fine: bool, risky: bool) -> None:
    certificate = make_ca("x", make())
    facts = Facts.of(certificate)

    assert describe.key_kind(certificate) == kind
    problem, risk = rules.key(facts), rules.risk(facts)
    assert (problem is None) == fine
    assert (risk is not None) == risky
    if not fine:
        assert f"has a key of kind {kind}" in str(problem)


def test_a_signature_is_judged_with_the_key_that_made_it() -> None:
    strong, weak = rsa_key(2048), rsa_key(1024)
    for key, fine in ((strong, True), (weak, False)):
        root = make_ca("root", key)
        problem = rules.signature_by(Facts.of(make_ca("x", p256(), (root, key))), Facts.of(root))
        assert (problem is None) == fine
    assert "signed with sha256WithRSAEncryption by a key of kind RSA 1024" in str(problem)


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (
            ROOT.not_valid_before_utc - SECOND,
            "is not valid before 2030-05-31T23:59:50Z, and now it is 2030-05-31T23:59:49Z",
        ),
        (ROOT.not_valid_before_utc, None),
        (ROOT.not_valid_after_utc, None),
        (
            ROOT.not_valid_after_utc + SECOND,
            "has expired on 2040-05-29T00:00:10Z, and now it is 2040-05-29T00:00:11Z",
        ),
    ],
)
def test_validity(moment: datetime, said: str | None) -> None:
    problem = rules.validity(ROOT, moment)
    assert problem is None if said is None else str(problem).startswith(said)


def test_expiring_soon_is_sixty_days() -> None:
    end = ROOT.not_valid_after_utc
    assert rules.expiry(ROOT, end - timedelta(days=60)) is None
    soon = end - timedelta(days=60) + SECOND
    assert rules.expiry(ROOT, soon) == rules.expiry(ROOT, end)
    assert rules.expiry(ROOT, soon) == "will expire on 2040-05-29T00:00:10Z"
    assert rules.expiry(ROOT, end + SECOND) == "expired on 2040-05-29T00:00:10Z"


@pytest.mark.parametrize(
    ("oids", "missing"),
    [
        ([ExtendedKeyUsageOID.SERVER_AUTH], "clientAuth"),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], "serverAuth and clientAuth"),
        ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], None),
    ],
)
def test_usages(oids: list[ObjectIdentifier], missing: str | None) -> None:
    problem = rules.usages(Facts.of(make_ca("x", p256(), extensions=usages(*oids))))
    assert (problem is None) if missing is None else f"leave out {missing}:" in str(problem)


def test_authorities_say_so() -> None:
    plain = Facts.of(make_ca("x", p256(), ca=False))
    unable = Facts.of(make_ca("x", p256(), extensions=key_usage(sign=False)))
    assert "lacks CA:TRUE" in str(rules.is_authority(plain))
    assert "lacks keyCertSign" in str(rules.is_authority(unable))
    for facts in (plain, unable):
        assert rules.is_anchor(facts) == rules.is_authority(facts)


def with_extension(extension: x509.ExtensionType) -> Facts:
    key = p256()
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 5, NOW, NOW + SECOND)
    return Facts.of(builder.add_extension(extension, critical=True).sign(key, hashes.SHA256()))


def test_what_is_critical_must_be_known() -> None:
    strange = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\5\0")
    assert "do not know, 1.2.3.4:" in str(rules.understood(with_extension(strange)))
    assert rules.understood(with_extension(x509.BasicConstraints(True, None))) is None


def test_an_extension_that_cannot_be_read_is_a_fact_like_others() -> None:
    """The library parses extensions late, and raises then."""
    oid = x509.BasicConstraints.oid
    facts = with_extension(x509.UnrecognizedExtension(oid, b"nonsense"))
    assert "extensions that cannot be read" in str(rules.understood(facts))
