"""What a certificate says, read once.

The library parses most parts of a certificate when they are asked for. Here all that is judged is
asked for at once, so nothing malformed surprises anybody later: it is a fact like others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtensionOID

from linkerd.trust.describe import MALFORMED

E_ = TypeVar("E_", bound=x509.ExtensionType)

_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
"""Extensions that proxies understand, and which may therefore be critical."""


@dataclass(frozen=True, slots=True)
class Window:
    """A closed interval of time."""

    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` lies in the window."""
        return self.start <= moment <= self.end

    @classmethod
    def common(cls, certificates: Iterable[x509.Certificate]) -> Self:
        """When all of them are valid; at least one."""
        listed = list(certificates)
        return cls(
            start=max(each.not_valid_before_utc for each in listed),
            end=min(each.not_valid_after_utc for each in listed),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """A certificate and its extensions. `malformed` says why there are none."""

    certificate: x509.Certificate
    extensions: x509.Extensions
    malformed: str | None = None

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Self:
        """Never raises."""
        try:
            return cls(certificate, certificate.extensions)
        except MALFORMED as error:
            return cls(certificate, x509.Extensions([]), str(error))

    @property
    def first_version(self) -> bool:
        """Whether it is of X.509 version 1, which knows no extensions."""
        return self.certificate.version is x509.Version.v1

    @property
    def window(self) -> Window:
        """When it is valid."""
        return Window.common([self.certificate])

    def extension(self, kind: type[E_]) -> E_ | None:
        """The extension of that kind, if there is one."""
        try:
            return self.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    def names(self) -> list[x509.GeneralName]:
        """The alternative names of its subject."""
        return list(self.extension(x509.SubjectAlternativeName) or ())

    def strange(self) -> list[str]:
        """Critical extensions that proxies do not understand."""
        return [
            e.oid.dotted_string for e in self.extensions if e.critical and e.oid not in _UNDERSTOOD
        ]

    def is_signed_by(self, other: "Facts") -> bool:
        """Whether `other` has the name of its issuer, to the byte, and the key that signed it."""
        own, name = self.certificate.issuer, other.certificate.subject
        try:
            if own.public_bytes() != name.public_bytes():
                return False
            self.certificate.verify_directly_issued_by(other.certificate)
        except (InvalidSignature, *MALFORMED):
            return False
        return True


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it is signed by the very key that it holds."""
    facts = Facts.of(certificate)
    return facts.is_signed_by(facts)
