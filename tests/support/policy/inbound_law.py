"""The law of indexes for ports: what is asked, how the objects come, and what they make of it."""

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from linkerd.index import Pace
from linkerd.mesh.workload_token import WorkloadToken
from linkerd.streams import Subscription
from services.policy.index.inbound.errors import UnknownWorkloadError
from services.policy.index.index import PolicyIndex
from services.policy.resources import RESOURCES
from tests.support.indexes.clusters import OneCluster
from tests.support.indexes.law import Law
from tests.support.policy.inbound import make_index
from tests.support.policy.inbound_model import Query, answer
from tests.support.policy.inbound_objects import EXTERNAL, MAKERS, NAMESPACES, PODS, PORTS
from tests.support.policy.readers import ServerReader


@dataclass(frozen=True)
class Ports:
    """An index that is asked for ports."""

    index: PolicyIndex

    def follow(self, query: Query) -> Subscription:
        """Raises UnknownWorkloadError."""
        namespace, name, is_external, port = query
        return self.index.watch_port(WorkloadToken(namespace, name, is_external), port)


class Furnished(OneCluster):
    """A cluster in which there is much from the start: much has a say in one port."""

    def fill(self) -> None:
        for _ in range(self.random.randrange(100)):
            self.here.change()


def _start(pace: Pace) -> Ports:
    return Ports(make_index(pace=pace))


def _query(r: Random) -> Query:
    is_external = r.random() < 0.2
    name = r.choice(EXTERNAL if is_external else PODS)
    return (r.choice(NAMESPACES), name, is_external, r.choice(PORTS))


def _reader(_query: Any) -> ServerReader:
    return ServerReader()


LAW: Final = Law(
    makers=MAKERS,
    resources={kind: RESOURCES[kind] for _, kind, _ in MAKERS},
    start=_start,
    query=_query,
    client=_reader,
    model=answer,
    refusals=(UnknownWorkloadError,),
    clusters=Furnished,
)
