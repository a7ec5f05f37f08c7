"""What `GetProfile` tells about a target: the state of a profile topic."""

from dataclasses import dataclass
from typing import Final

from services.destination.model.address import Address
from services.destination.model.routes import Traffic

DEFAULT_TRAFFIC: Final = Traffic()


@dataclass(frozen=True, slots=True)
class ServicePort:
    """The port of a service that a profile is about."""

    namespace: str
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A target is a service (`name` and `service` are set), a pod (`endpoint` is set) or unknown
    to the cluster (neither)."""

    name: str = ""  # fully qualified, without port
    service: ServicePort | None = None
    opaque: bool = False
    endpoint: Address | None = None
    traffic: Traffic = DEFAULT_TRAFFIC


EMPTY_PROFILE: Final = Profile(traffic=Traffic(budget=None))
"""An entirely empty message: it makes a proxy ask the policy API, which forbids ports that a
service does not declare."""
