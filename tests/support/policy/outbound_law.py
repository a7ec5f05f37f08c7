"""The law of indexes for clients' traffic: what is asked, how the objects come, and what they make
of it."""

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from linkerd.index import Pace
from linkerd.kube.objects import Key
from linkerd.mesh.ports import PortSet
from linkerd.streams import Subscription
from services.policy.index.index import PolicyIndex
from services.policy.index.outbound.errors import UnknownTargetError
from services.policy.resources import RESOURCES
from tests.support.indexes.clusters import OneCluster
from tests.support.indexes.law import Law
from tests.support.policy.inbound import make_index, mesh
from tests.support.policy.outbound_model import Query, answer
from tests.support.policy.outbound_objects import (
    IPS,
    MAKERS,
    NAMESPACES,
    OUTSIDE,
    PORTS,
    SERVICES,
    SOURCES,
)
from tests.support.policy.outbound_summary import summary
from tests.support.policy.readers import PolicyReader

_ANYWHERE: Final = [*IPS, *IPS, *OUTSIDE, "10.1.2.3"]


@dataclass(frozen=True)
class Targets:
    """An index that is asked for targets."""

    index: PolicyIndex

    def follow(self, query: Query) -> Subscription:
        """Raises UnknownTargetError."""
        source, where, port = query
        namespace, slash, name = where.partition("/")
        if slash:
            return self.index.watch_service(source, Key(namespace, name), port)
        return self.index.watch_address(source, where, port)


class Known:
    """A message; to the model, what it says in short."""

    def __init__(self, raw: bytes, said: Any) -> None:
        self._raw = raw
        self._said = said

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, Known) else bool(self._said == other)

    __hash__ = None  # type: ignore[assignment]  # nothing is kept by it

    def __repr__(self) -> str:
        return repr(self._said)


class Client:
    """Reads by a proxy's rules."""

    def __init__(self, _query: Query) -> None:
        self._reader = PolicyReader()
        self.known: Known | None = None

    def take(self, raw: bytes) -> None:
        """Raises RuleError."""
        self.known = Known(raw, summary(self._reader.take(raw)))

    def reconnect(self) -> None:
        self._reader.reconnect()


class Furnished(OneCluster):
    """A cluster in which there is much from the start: much has a say in one answer."""

    def fill(self) -> None:
        for _ in range(self.random.randrange(80)):
            self.here.change()


def _start(pace: Pace) -> Targets:
    opaque = PortSet.of([(3306, 3306)])
    return Targets(make_index(mesh(opaque_ports=opaque), pace=pace))


def _query(r: Random) -> Query:
    if r.random() < 0.3:
        return (r.choice(SOURCES), f"{r.choice(NAMESPACES)}/{r.choice(SERVICES)}", r.choice(PORTS))
    return (r.choice(SOURCES), r.choice(_ANYWHERE), r.choice(PORTS))


LAW: Final = Law(
    makers=MAKERS,
    resources={kind: RESOURCES[kind] for _, kind, _ in MAKERS},
    start=_start,
    query=_query,
    client=Client,
    model=answer,
    refusals=(UnknownTargetError,),
    clusters=Furnished,
)
