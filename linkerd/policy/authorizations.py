"""Authorizations: who may call, from where."""

from dataclasses import dataclass
from typing import Final

from linkerd.policy.identities import ANY_IDENTITY, IdentityMatch
from linkerd.policy.networks import Network


@dataclass(frozen=True, slots=True)
class Unauthenticated:
    """Anyone."""


@dataclass(frozen=True, slots=True)
class AnyTls:
    """Clients that come by the mesh's TLS, with an identity or without."""


@dataclass(frozen=True, slots=True)
class MeshTls:
    """Clients that prove one of these identities by the mesh's TLS."""

    identities: tuple[IdentityMatch, ...]


Authentication = Unauthenticated | AnyTls | MeshTls

UNAUTHENTICATED: Final = Unauthenticated()
ANY_TLS: Final = AnyTls()
ANY_MESH_TLS: Final = MeshTls((ANY_IDENTITY,))


@dataclass(frozen=True, slots=True)
class Authorization:
    """Clients in any of the networks that authenticate so. Without networks it is those of the
    cluster, which whoever tells it puts in."""

    networks: tuple[Network, ...]
    authentication: Authentication
