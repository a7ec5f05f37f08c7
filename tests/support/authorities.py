"""Issuers and what is above them, good and bad in every way that matters to who verifies a leaf.

`Case` is one of them. Those whose names begin with `with_` are good but for what is given.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from linkerd.trust.paths import Places, Trust
from tests.support.certificates import PrivateKey, make_ca, p256
from tests.support.verifiers import HOST, Presented

NOW: Final = datetime.now(UTC)
DAY: Final = timedelta(days=1)
PLACES: Final = Places("anchors", "certificate", "key")

Signer = tuple[x509.Certificate, PrivateKey]


@dataclass(frozen=True)
class Case:
    """`authorities` from the issuer upwards, as its file has them."""

    issuer: Signer
    anchors: Sequence[x509.Certificate]
    rest: Sequence[x509.Certificate] = field(default=())

    def trust(self) -> Trust:
        return Trust(self.issuer[0], tuple(self.rest), tuple(self.anchors), PLACES)

    def presented(self) -> Presented:
        certificate, key = self.issuer
        leaf_key = p256()
        return Presented(
            _leaf(certificate, key, leaf_key), leaf_key, [certificate, *self.rest], self.anchors
        )


def _leaf(issuer: x509.Certificate, issuer_key: Any, key: PrivateKey) -> x509.Certificate:
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def root(key: PrivateKey | None = None, name: str = "root", **options: Any) -> Signer:
    key = key or p256()
    return make_ca(name, key, **options), key


def below(parent: Signer, name: str, key: PrivateKey | None = None, **options: Any) -> Signer:
    key = key or p256()
    return make_ca(name, key, parent, **options), key


def with_root(key: PrivateKey | None = None, **options: Any) -> Case:
    """The issuer is fine, the root is as given."""
    top = root(key, **options)
    return Case(below(top, "issuer"), [top[0]])


def with_issuer(key: PrivateKey | None = None, **options: Any) -> Case:
    """The root is fine, the issuer is as given."""
    top = root()
    return Case(below(top, "issuer", key, **options), [top[0]])


def with_middle(key: PrivateKey | None = None, **options: Any) -> Case:
    """Root and issuer are fine, the intermediate is as given."""
    top = root()
    middle = below(top, "middle", key, **options)
    return Case(below(middle, "issuer"), [top[0]], [middle[0]])


def line(length: int) -> Case:
    """So many authorities below the root."""
    top = current = root()
    chain: list[x509.Certificate] = []
    for number in range(length):
        current = below(current, f"authority {number}")
        chain.insert(0, current[0])
    return Case(current, [top[0]], chain[1:])


def by_openssl(algorithm: str, *, version: int, folder: Path) -> Signer:
    """A root as people make it: version 1 where no extensions are asked for."""
    request = ["openssl", "req", "-new", "-key", "root.key", "-subj", "/CN=by openssl"]
    commands = [
        ["openssl", "genpkey", *algorithm.split(), "-out", "root.key"],
        [*request, "-x509", "-days", "9", "-out", "root.crt"],
    ]
    if version == 1:
        sign = ["openssl", "x509", "-req", "-in", "root.csr", "-signkey", "root.key"]
        commands[1:] = [[*request, "-out", "root.csr"], [*sign, "-days", "9", "-out", "root.crt"]]
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate((folder / "root.crt").read_bytes())
    if certificate.version.value + 1 != version:
        raise AssertionError(f"openssl made one of {certificate.version}")
    key: Any = load_pem_private_key((folder / "root.key").read_bytes(), None)
    return certificate, key


def made_by_openssl(folder: Path, algorithm: str, version: int) -> Case:
    top = by_openssl(algorithm, version=version, folder=folder)
    return Case(below(top, "issuer"), [top[0]])


def first_version_below(folder: Path) -> Case:
    """Version 1 says nothing of authority, so below a root nobody believes it."""
    old = by_openssl("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", version=1, folder=folder)
    return Case(below(old, "issuer"), [root()[0]], [old[0]])


def rotated(*, old_first: bool) -> Case:
    """Two roots of one name, of which one signed the issuer."""
    old, new = root(), root()
    anchors = [old[0], new[0]] if old_first else [new[0], old[0]]
    return Case(below(new, "issuer"), anchors)


def renewed(*, expired_first: bool) -> Case:
    """A root that was renewed with its key, beside its predecessor, which has ended."""
    key = p256()
    old = make_ca("root", key, start=NOW - 9 * DAY, lifetime=DAY)
    new = make_ca("root", key)
    return Case(below((new, key), "issuer"), [old, new] if expired_first else [new, old])


def cross_signed() -> Case:
    old, new_key = root(name="old"), p256()
    cross = make_ca("new", new_key, old)
    return Case(below((cross, new_key), "issuer"), [old[0]], [cross])


def two_ways(*, dead_end_first: bool) -> Case:
    """An intermediate with two certificates: one leads to a root that nobody knows."""
    known, unknown, key = root(name="known"), root(name="unknown"), p256()
    good, dead = make_ca("middle", key, known), make_ca("middle", key, unknown)
    order = [dead, good] if dead_end_first else [good, dead]
    return Case(below((good, key), "issuer"), [known[0]], order)


def circle() -> Case:
    """They sign each other and lead nowhere."""
    a, b = p256(), p256()
    of_a, of_b = make_ca("a", a, (make_ca("b", b), b)), make_ca("b", b, (make_ca("a", a), a))
    return Case(below((of_a, a), "issuer"), [root()[0]], [of_a, of_b])


def disordered() -> Case:
    case = line(4)
    return Case(case.issuer, case.anchors, list(reversed(case.rest)))


def intermediate_as_anchor() -> Case:
    case = with_middle()
    return Case(case.issuer, case.rest)


def anchor_repeated() -> Case:
    case = with_middle()
    return Case(case.issuer, case.anchors, [*case.rest, *case.anchors])


def missing_middle() -> Case:
    case = with_middle()
    return Case(case.issuer, case.anchors)


def other_root() -> Case:
    return Case(with_root().issuer, [root()[0]])


def the_root_itself(**options: Any) -> Case:
    top = root(**options)
    return Case(top, [top[0]])


def tampered() -> Case:
    """The issuer says the right names, and somebody else signed it."""
    top, stranger = root(), p256()
    return Case(below((top[0], stranger), "issuer"), [top[0]])


def usages(*oids: ObjectIdentifier) -> list[x509.ExtensionType]:
    return [x509.ExtendedKeyUsage(oids)]


def key_usage(*, sign: bool) -> list[x509.ExtensionType]:
    return [
        x509.KeyUsage(True, False, False, False, False, sign, sign, False, False)
    ]  # nine flags in their order


def named(*names: str) -> list[x509.ExtensionType]:
    return [x509.SubjectAlternativeName([x509.DNSName(name) for name in names])]


def permitted(*names: x509.GeneralName) -> list[x509.ExtensionType]:
    return [x509.NameConstraints(names, None)]


def excluded(*names: x509.GeneralName) -> list[x509.ExtensionType]:
    return [x509.NameConstraints(None, names)]
