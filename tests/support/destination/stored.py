"""What there may be in a cluster, at random, and what there is at first."""

from typing import Final

from services.destination.index import Kind
from tests.support.indexes.stored import Cluster, Maker, Makers
from tests.support.objects import node, owned, service
from tests.support.random_objects import (
    PORTS,
    some_endpoints,
    some_federated,
    some_mirror,
    some_pod,
    some_profile,
    some_server,
    some_service,
    some_slice,
    some_split,
    some_workload,
)

EVERYWHERE: Final[Makers] = [
    (3, Kind.SERVICE, some_service),
    (6, Kind.POD, some_pod),
    (2, Kind.SERVER, some_server),
    (1, Kind.REPLICA_SET, lambda r: owned("r", "fin", (r.choice(["Deployment", "X"]), "d"))),
    (1, Kind.JOB, lambda r: owned("r", "fin", (r.choice(["CronJob", "X"]), "c"))),
]
HERE: Final[Makers] = [
    *EVERYWHERE,
    (2, Kind.SERVICE, some_federated),
    (2, Kind.SERVICE, some_mirror),
    (4, Kind.EXTERNAL_WORKLOAD, some_workload),
    (2, Kind.PROFILE, some_profile),
    (2, Kind.SPLIT, some_split),
    (2, Kind.NODE, lambda r: node(r.choice(["n1", "n2"]), r.choice(["", "z1", "z2"]))),
]
SOURCES: Final[dict[Kind, tuple[int, Kind, Maker]]] = {
    Kind.SLICE: (8, Kind.SLICE, some_slice),
    Kind.ENDPOINTS: (8, Kind.ENDPOINTS, some_endpoints),
}
"""Where endpoints are read from: one or the other."""

LINKS: Final = ["north", "south"]


def begin(cluster: Cluster, *, linked: bool) -> None:
    """Enough is there for things to happen."""
    r = cluster.random
    cluster.put(Kind.SERVICE, service("ledger", ports=r.choice(PORTS)))
    pods, slices = (2, 2) if linked else (5, 3)
    for kind, number in ((Kind.POD, pods), (cluster.makers[-1][1], slices)):
        maker = next(make for _, k, make in cluster.makers if k is kind)
        for _ in range(number):
            cluster.put(kind, maker(r))
