"""What authorities are held to."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from linkerd.certificates import make_authority, make_issuer, make_trust_anchor
from linkerd.check import certificates
from linkerd.testing.certificates import DOMAIN, Credentials, PrivateKey, make_ca, p256

NOW = datetime(2030, 6, 1, tzinfo=UTC)
GOOD = Credentials.make(now=NOW)
ROOT, ISSUER = GOOD.anchor.certificate, GOOD.issuer.certificate


@pytest.mark.parametrize(
    ("key", "kind", "issuer", "anchor"),
    [
        (p256(), "ECDSA P-256", True, True),
        (ec.generate_private_key(ec.SECP384R1()), "ECDSA P-384", False, False),
        (rsa.generate_private_key(65537, 2048), "RSA 2048", False, True),
        (rsa.generate_private_key(65537, 3072), "RSA 3072", False, False),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519", False, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_keys(key: PrivateKey, kind: str, issuer: bool, anchor: bool) -> None:
    certificate = make_ca("x", key)

    assert certificates.key_kind(certificate) == kind
    assert (certificates.issuer_algorithm(certificate) is None) == issuer
    assert (certificates.anchor_algorithm(certificate) is None) == anchor
    if not anchor:
        assert kind in str(certificates.anchor_algorithm(certificate))


def test_an_issuer_may_be_signed_by_rsa() -> None:
    root = rsa.generate_private_key(65537, 2048)
    issuer = make_ca("issuer", p256(), (make_ca("root", root), root))

    assert certificates.issuer_algorithm(issuer) is None
    assert certificates.signature_kind(issuer) == "sha256WithRSAEncryption"


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (
            ROOT.not_valid_before_utc - timedelta(seconds=1),
            "not valid before: 2030-05-31T23:59:50Z",
        ),
        (ROOT.not_valid_before_utc, None),
        (ROOT.not_valid_after_utc, None),
        (ROOT.not_valid_after_utc + timedelta(seconds=1), "Expired on 2040-05-29T00:00:10Z"),
    ],
)
def test_validity(moment: datetime, said: str | None) -> None:
    problem = certificates.validity(ROOT, moment)
    assert (problem is None) if said is None else (said in str(problem))


def test_expiring_soon_is_sixty_days() -> None:
    end = ROOT.not_valid_after_utc
    assert certificates.expiry(ROOT, end - timedelta(days=60)) is None
    problem = certificates.expiry(ROOT, end - timedelta(days=60) + timedelta(seconds=1))
    assert problem == "will expire on 2040-05-29T00:00:10Z"


def test_an_issuer_below_its_anchor_leads_there() -> None:
    other = make_trust_anchor(DOMAIN, now=NOW).certificate
    assert certificates.chain(ISSUER, [], [ROOT], NOW) is None
    assert certificates.chain(ISSUER, [], [other, ROOT], NOW) is None


def test_an_issuer_that_is_the_anchor_leads_there() -> None:
    assert certificates.chain(ROOT, [], [ROOT], NOW) is None


def test_intermediates_lead_on() -> None:
    middle = make_authority("middle", GOOD.anchor, lifetime=timedelta(days=99), now=NOW)
    issuer = make_issuer(DOMAIN, middle, now=NOW).certificate

    assert certificates.chain(issuer, [middle.certificate], [ROOT], NOW) is None
    assert "does not lead" in str(certificates.chain(issuer, [], [ROOT], NOW))
    late = NOW + timedelta(days=100)
    assert "does not lead" in str(certificates.chain(issuer, [middle.certificate], [ROOT], late))


def test_a_limit_on_the_path_holds() -> None:
    tight = make_authority("tight", GOOD.anchor, lifetime=timedelta(days=9), path_length=0, now=NOW)
    issuer = make_issuer(DOMAIN, tight, now=NOW).certificate
    assert "does not lead" in str(certificates.chain(issuer, [tight.certificate], [ROOT], NOW))


def test_a_namesake_of_the_anchor_is_not_the_anchor() -> None:
    namesake = make_trust_anchor(DOMAIN, now=NOW).certificate
    assert namesake.subject == ROOT.subject
    assert "does not lead" in str(certificates.chain(ISSUER, [], [namesake], NOW))


def test_anchors_that_sign_each_other_end() -> None:
    """No path, and no endless walk."""
    a, b = p256(), p256()
    of_a = make_ca("a", a, (make_ca("b", b), b), start=NOW)
    of_b = make_ca("b", b, (make_ca("a", a), a), start=NOW)
    leaf = make_ca("leaf", p256(), (of_a, a), start=NOW)
    assert certificates.chain(leaf, [of_a, of_b], [ROOT], NOW + timedelta(hours=1)) is not None


def test_an_issuer_that_is_no_authority() -> None:
    plain = make_ca("plain", p256(), ca=False, start=NOW)
    assert "lacks CA:TRUE" in str(certificates.chain(plain, [], [plain], NOW))
