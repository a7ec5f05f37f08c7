"""A root and issuers below it, written and read back, for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from services.identity.issuer.issuer import load_issuer
from services.identity.model import Issuer
from tests.support.certificates import (
    DOMAIN,
    PrivateKey,
    certificate_pem,
    key_pem,
    make_ca,
    p256,
    write_issuer,
)


def now() -> datetime:
    """The time of the test."""
    return datetime.now(UTC)


class Authorities:
    """A root and an issuer below it, written as a Secret; parts can be replaced."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bundle = directory.with_name("ca-bundle.crt")
        self.root_key: PrivateKey = p256()
        self.root = make_ca("root", self.root_key)
        self.key: PrivateKey = p256()

    def issue(self, **options: object) -> x509.Certificate:
        """Another certificate for the issuer's key."""
        return make_ca("issuer", self.key, (self.root, self.root_key), **options)  # type: ignore[arg-type]  # passed through

    def load(
        self,
        *certificates: x509.Certificate,
        anchors: Sequence[x509.Certificate] | None = None,
        moment: datetime | None = None,
        key: bytes | None = None,
    ) -> Issuer:
        """What loading them gives. Raises what `load_issuer` does."""
        write_issuer(self.directory, certificate_pem(*certificates), key or key_pem(self.key))
        self.bundle.write_bytes(certificate_pem(*([self.root] if anchors is None else anchors)))
        return load_issuer(self.directory, "linkerd.io/tls", self.bundle, DOMAIN, moment or now())
