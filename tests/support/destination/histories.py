"""What proxies ask for, for the law of the index."""

from random import Random
from typing import Any, Final

from services.destination.index import (
    AmbiguousIpError,
    Kind,
    MislabelledError,
    NotServableError,
    WatchError,
)
from services.destination.resources import resources
from tests.support.destination.clusters import LinkedClusters
from tests.support.destination.stored import HERE, SOURCES
from tests.support.destination.world import EndpointStream, ProfileStream, World
from tests.support.indexes.law import Law
from tests.support.proxy_rules import Endpoints, ProfileReader
from tests.support.random_objects import CLUSTER_IPS, IPS

_LEDGER: Final = "ledger.fin.svc.mesh.test"
_ALL: Final = "all.fin.svc.mesh.test"
_MIRROR: Final = "mirror.fin.svc.mesh.test"
_GETS: Final = [
    *[f"{_LEDGER}:8080", f"{_ALL}:8080"] * 4,
    *(f"{_LEDGER}:3306", f"{_LEDGER}:9", f"h0.{_LEDGER}:8080", f"{_ALL}:3306", f"h0.{_ALL}:8080"),
    *(f"{_MIRROR}:8080", f"{_MIRROR}:8080", f"h0.{_MIRROR}:8080", f"h1.{_LEDGER}:8080"),
    *("vault.fin.svc.mesh.test:8080", "ledger.ops.svc.mesh.test:8080"),
]
_PROFILES: Final = [
    *(f"{_LEDGER}:8080", f"{_LEDGER}:3306", f"{_LEDGER}:9", f"h0.{_LEDGER}:8080"),
    *(f"h1.{_LEDGER}:8080", f"{_ALL}:8080", f"{_MIRROR}:8080", "198.51.100.9:80"),
    *("192.0.2.8:7711", "192.0.2.8:53", "192.0.2.9:53", "[fd00:2::8]:53"),
    *(f"{f'[{ip}]' if ':' in ip else ip}:8080" for ip in (*IPS, *CLUSTER_IPS)),
]
_NODES: Final = ["", "n1", "n1", "n2", "n3"]
_NAMESPACES: Final = ["", "fin", "ops"]

Stream = EndpointStream | ProfileStream
Query = tuple[str, str, str]
"""Method, path, and where the client is: a node, of `get`, or a namespace, of `profile`."""


def follow(world: World, method: str, path: str, where: str) -> Stream:
    """Opens a stream. Raises WatchError."""
    return world.get(path, where) if method == "get" else world.profile(path, where)


class Proxy:
    """Reads by a proxy's rules."""

    def __init__(self, query: Query) -> None:
        self.reader = Endpoints() if query[0] == "get" else ProfileReader()

    @property
    def known(self) -> Any:
        return self.reader.told if isinstance(self.reader, Endpoints) else self.reader.last

    def take(self, raw: bytes) -> object:
        return self.reader.take(raw)

    def reconnect(self) -> None:
        self.reader.reconnect()


def _query(random: Random) -> Query:
    if random.random() < 2 / 3:
        return "get", random.choice(_GETS), random.choice(_NODES)
    return "profile", random.choice(_PROFILES), random.choice(_NAMESPACES)


def _knows_no_endpoints(proxy: Any) -> bool:
    return not isinstance(proxy.reader, Endpoints) or not proxy.reader.known


def law(source: Kind) -> Law:
    """The law of the index, where endpoints are read from slices or from Endpoints. There is no
    model but the index itself: a fresh start tells what is right."""
    return Law(
        makers=[*HERE, SOURCES[source]],
        resources=resources(slices=source is Kind.SLICE),
        start=lambda pace: World(pace=pace),
        query=_query,
        client=Proxy,
        refusals=(WatchError,),
        final=(NotServableError, MislabelledError),  # a proxy does not ask again after these
        silent=(AmbiguousIpError,),
        refused=_knows_no_endpoints,
        clusters=LinkedClusters,
    )
