"""By which names the clients of the mesh are told apart."""

import re
from dataclasses import dataclass
from typing import Final

from linkerd.mesh.names import IdentityDomain
from linkerd.policy.errors import shown

_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_DNS: Final = re.compile(rf"(?:\*|{_LABEL})(?:\.{_LABEL})*", re.ASCII)
_SPIFFE: Final = "spiffe://"
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]+", re.ASCII)
_SEGMENT: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """One client: a DNS-like name or a SPIFFE id."""

    name: str


@dataclass(frozen=True, slots=True)
class IdentitySuffix:
    """All clients with DNS-like names that end in these labels; without any, all that have one."""

    labels: tuple[str, ...] = ()


IdentityMatch = Identity | IdentitySuffix

ANY_IDENTITY: Final = IdentitySuffix()


def identity_match(text: str) -> IdentityMatch:
    """What `text` says: `*` all clients, `*.a.b` a suffix, all else one name. Of no other label
    than the first is a star special."""
    if text == "*":
        return ANY_IDENTITY
    if text.startswith("*."):
        return IdentitySuffix(tuple(text[2:].split(".")))
    return Identity(text)


def check_identity(text: str) -> None:
    """Raises ValueError unless some client may be meant."""
    if text.startswith(_SPIFFE):
        _check_spiffe(text)
    elif _DNS.fullmatch(text) is None:
        raise ValueError(
            f"{shown(text)} is no identity: write *, a lower-case DNS name, of which the first "
            "label may be *, or a SPIFFE id"
        )


def _check_spiffe(text: str) -> None:
    trust_domain, *segments = text.removeprefix(_SPIFFE).split("/")
    if _TRUST_DOMAIN.fullmatch(trust_domain) is None:
        raise ValueError(
            f"{shown(text)} is no SPIFFE id: its trust domain must be of lower-case letters, "
            "digits, dots, dashes and underscores"
        )
    if not all(map(_SEGMENT.fullmatch, segments)):
        raise ValueError(
            f"{shown(text)} is no SPIFFE id: its path must be of segments of letters, digits, "
            "dots, dashes and underscores, none of them empty, '.' or '..'"
        )


def service_account_identity(name: str, namespace: str, domain: IdentityDomain) -> Identity:
    """The clients of a ServiceAccount."""
    return Identity(domain.workload(name, namespace))


def namespace_identities(namespace: str, domain: IdentityDomain) -> IdentitySuffix:
    """The clients of all ServiceAccounts of a namespace."""
    any_name = domain.workload("*", namespace)
    return IdentitySuffix(tuple(any_name.split(".")[1:]))
