"""Whether leaves of an issuer lead to a trust anchor.

What is verified is a trial leaf, signed like any other, as a peer would: names, path lengths and
CA:TRUE on the way, signatures, windows. So whatever a proxy would refuse later is refused when the
issuer is loaded. `cryptography` builds the path, and is liberal about extensions (mesh roots of all
ages exist). The issuer's own window and usages are looked at first, for messages that say what is
at fault.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from services.identity.errors import IdentityError
from services.identity.model import Window

_NEEDED_USAGES: Final = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
}

E_ = TypeVar("E_", bound=x509.ExtensionType)


class ChainError(IdentityError):
    """No path leads to an anchor, at the time asked for."""


def trusted_window(
    trial: x509.Certificate,
    issuer: x509.Certificate,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> Window:
    """When the path that was found from `issuer` to an anchor is valid; `now` lies in it.

    `trial` is a leaf of the issuer. Raises ChainError.
    """
    _check_window(issuer, now)
    _check_usages(issuer)
    try:
        path = _verifier(anchors, now).verify(trial, [issuer, *chain]).chain
    except (VerificationError, ValueError, UnsupportedAlgorithm) as error:
        raise ChainError(_no_path(issuer, error)) from error
    return window(path[1:])


def window(certificates: Iterable[x509.Certificate]) -> Window:
    """When all of `certificates` are valid."""
    listed = list(certificates)
    return Window(
        start=max(each.not_valid_before_utc for each in listed),
        end=min(each.not_valid_after_utc for each in listed),
    )


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it says CA:TRUE."""
    constraints = _extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def is_root(certificate: x509.Certificate) -> bool:
    """Whether it is signed by the very key that it holds."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _check_window(issuer: x509.Certificate, now: datetime) -> None:
    valid = window([issuer])
    if valid.holds(now):
        return
    state = "has expired" if now > valid.end else "is not valid yet"
    raise ChainError(
        f"the issuer certificate {state}: current time {_stamp(now)}, "
        f"not before {_stamp(valid.start)}, not after {_stamp(valid.end)}"
    )


def _check_usages(issuer: x509.Certificate) -> None:
    """Usages of an issuer bound those of its leaves, which are servers and clients."""
    usages = _extension(issuer, x509.ExtendedKeyUsage)
    if usages is None or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages:
        return
    missing = [name for usage, name in _NEEDED_USAGES.items() if usage not in usages]
    if missing:
        raise ChainError(
            f"the issuer certificate's extended key usages leave out {' and '.join(missing)}: "
            "add them, or leave the extension out"
        )


def _verifier(anchors: Sequence[x509.Certificate], now: datetime) -> ClientVerifier:
    """For either kind of peer; "client" only means that no server name is compared."""
    anything = ExtensionPolicy.permit_all()
    authorities = anything.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    leaves = anything.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)
    return (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(now)
        .extension_policies(ca_policy=authorities, ee_policy=leaves)
        .build_client_verifier()
    )


def _extension(certificate: x509.Certificate, kind: type[E_]) -> E_ | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _no_path(issuer: x509.Certificate, error: Exception) -> str:
    return (
        f"leaves of {_name(issuer.subject)}, which was issued by {_name(issuer.issuer)}, are not "
        f"verified by the trust anchors: {error}"
    )


def _name(name: x509.Name) -> str:
    return name.rfc4514_string() or "(no name)"


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
