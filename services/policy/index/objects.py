"""The cluster's objects, filed in the tables of whoever needs them."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from linkerd import index
from linkerd.index import Complaints, Subject, Taker
from linkerd.kube.objects import Key
from services.policy.index.inbound.attachments import Attachments
from services.policy.index.inbound.authorizations import Authorizations
from services.policy.index.inbound.filing import Workloads
from services.policy.index.inbound.servers import Servers
from services.policy.index.kinds import Kind
from services.policy.index.outbound.filing import OutboundTables
from services.policy.index.routes import Routes
from services.policy.index.status.filing import StatusTables
from services.policy.index.tables import Tables
from services.policy.model.mesh_settings import MeshSettings


class Objects(index.Objects[Kind]):
    """What exists. Of a kind that several parts file, each takes its own in the order of the parts:
    those come first that others read."""

    def __init__(self, mesh: MeshSettings, complaints: Complaints) -> None:
        self.routes = Routes(complaints)
        self.workloads = Workloads(complaints)
        self.servers = Servers(mesh, complaints)
        self.authorizations = Authorizations(mesh, self.servers, complaints)
        self.attachments = Attachments(self.routes)
        self.outbound = OutboundTables(mesh, complaints, self.routes)
        self.status = StatusTables(mesh, self.servers)
        parts = (
            self.routes,
            self.workloads,
            self.servers,
            self.authorizations,
            self.attachments,
            self.outbound,
            self.status,
        )
        super().__init__(takers(parts))


def takers(parts: Sequence[Tables]) -> dict[Kind, Taker]:
    """One taker a kind, which has an object filed by all parts that take it."""
    tables = [part.takers() for part in parts]
    return {kind: _all([table[kind] for table in tables if kind in table]) for kind in Kind}


def _all(each: Sequence[Taker]) -> Taker:
    if len(each) == 1:
        return each[0]

    def take(key: Key, now: Any) -> Iterator[Subject]:
        return chain.from_iterable(taker(key, now) for taker in each)

    return take
