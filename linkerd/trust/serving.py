"""Whether a certificate and its key can serve HTTPS to those who trust a bundle.

Asked by servers before they take files into use, and by whoever installs them. The client is the
API server, so the rules are Go's: alternative names count and common names do not, a certificate
that the bundle holds needs nobody above it, and what a server may be used for is told by its
extended key usages, if it has any. Nothing of the key is ever in a message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from linkerd.trust import pem, rules
from linkerd.trust.describe import MALFORMED, describe, dns_names, stamp
from linkerd.trust.errors import PemError, TrustProblem
from linkerd.trust.facts import Facts, Window
from linkerd.trust.judge import read_certificates

ServerKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_RSA_BITS: Final = 2048
_MAX_ABOVE: Final = 6
"""Authorities between a server and a root; more than anybody has."""


@dataclass(frozen=True, slots=True)
class ServerPair:
    """A server's certificate, what follows it in its file, and its key. `where` names the file of
    the certificate."""

    certificate: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    key: ServerKey
    where: str

    @property
    def pem(self) -> bytes:
        """Certificates, then the key, as OpenSSL takes them from one file. A secret."""
        chain = (self.certificate, *self.intermediates)
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return b"".join(each.public_bytes(Encoding.PEM) for each in chain) + key

    @property
    def window(self) -> Window:
        """When it is valid."""
        return Window.common([self.certificate])


def read_server_pair(
    certificate: bytes, key: bytes, *, certificate_at: str, key_at: str
) -> ServerPair:
    """The two texts, read. Raises TrustProblem when they do not belong together, or can serve
    nobody at any time."""
    leaf, *rest = read_certificates(certificate, certificate_at)
    try:
        private = pem.private_key(key)
    except PemError as error:
        raise TrustProblem(key_at, str(error)) from error
    if not isinstance(private, ServerKey):
        raise TrustProblem(
            key_at, "its kind cannot serve TLS: use ECDSA P-256, or RSA of 2048 bits"
        )
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < _RSA_BITS:
        raise TrustProblem(key_at, f"RSA of {private.key_size} bits is too short: use {_RSA_BITS}")
    if not _belongs(private, leaf):
        raise TrustProblem(
            key_at,
            f"this key does not belong to {describe(leaf)} in {certificate_at}: replace both "
            "together, the server's own certificate first in its file",
        )
    if (problem := _usage(Facts.of(leaf))) is not None:
        raise TrustProblem(certificate_at, f"{describe(leaf)} {problem}")
    return ServerPair(leaf, tuple(rest), private, certificate_at)


def require_valid(pair: ServerPair, now: datetime) -> None:
    """Raises TrustProblem when it is out of its time."""
    start, end = pair.window.start, pair.window.end
    if now < start:
        problem = f"is not valid before {stamp(start)}, and now it is {stamp(now)}"
    elif now > end:
        problem = f"has expired on {stamp(end)}, and now it is {stamp(now)}"
    else:
        return
    raise TrustProblem(
        pair.where,
        f"{describe(pair.certificate)} {problem}: replace it, as docs/certificates.md says",
    )


def require_names(pair: ServerPair, names: Iterable[str]) -> None:
    """Raises TrustProblem when it is not for one of these DNS names."""
    own = dns_names(pair.certificate)
    for name in names:
        if not any(_covers(pattern, name) for pattern in own):
            listed = ", ".join(own[:4]) or "none"
            raise TrustProblem(
                pair.where,
                f"{describe(pair.certificate)} is not for {name} (its alternative names: {listed})"
                f": make one with that name",
            )


def require_trusted(
    pair: ServerPair, bundle: Sequence[x509.Certificate], where: str, now: datetime
) -> None:
    """Raises TrustProblem when who trusts `bundle`, which is kept at `where`, does not trust it."""
    roots = [Facts.of(each) for each in bundle]
    chain = [Facts.of(each) for each in pair.intermediates[:_MAX_ABOVE]]
    if not _leads(Facts.of(pair.certificate), chain, roots, now, _MAX_ABOVE):
        raise TrustProblem(
            pair.where,
            f"{describe(pair.certificate)} leads to no certificate of {where} that is valid now: "
            "put the root that it was issued by there, and what is between them into its own file",
        )


def _leads(
    child: Facts, chain: Sequence[Facts], roots: Sequence[Facts], now: datetime, steps: int
) -> bool:
    if any(root.certificate == child.certificate for root in roots):
        return True
    if any(_signed(child, root, rules.is_anchor, now) for root in roots):
        return True
    return steps > 0 and any(
        _leads(authority, chain, roots, now, steps - 1)
        for authority in chain
        if authority is not child and _signed(child, authority, rules.is_authority, now)
    )


def _signed(child: Facts, parent: Facts, is_authority: rules.Rule, now: datetime) -> bool:
    return parent.window.holds(now) and is_authority(parent) is None and child.is_signed_by(parent)


def _usage(facts: Facts) -> str | None:
    if facts.malformed is not None:
        return f"has extensions that cannot be read ({facts.malformed}): make it anew"
    usages = facts.extension(x509.ExtendedKeyUsage)
    allowed = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usages is None or allowed & set(usages):
        return None
    return "is not for servers: its extended key usages lack serverAuth; make one with that"


def _belongs(key: ServerKey, certificate: x509.Certificate) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except MALFORMED:
        return False


def _covers(pattern: str, name: str) -> bool:
    """A wildcard stands for one label, the first."""
    pattern, name = pattern.lower(), name.lower()
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name
