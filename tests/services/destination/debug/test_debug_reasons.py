"""What the debug pages say of an answer is true: those that are in are what a stream hears first,
each that is out has one reason, and asking leaves nothing behind.

Worlds are generated: a seed makes one full of things that keep endpoints out.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.kube.events import Applied, Deleted
from linkerd.kube.objects import Key
from linkerd.mesh.authority import ServiceTarget, with_port
from services.destination.debug import endpoints, reasons
from services.destination.index import Index, Kind, WatchError
from services.destination.index.context import Context
from tests.support.destination.world import DOMAIN, World
from tests.support.objects import (
    endpoint,
    endpoint_address,
    endpoint_slice,
    external_workload,
    node,
    pod,
    proxy,
    server,
    service,
    subset,
)
from tests.support.objects import endpoints as endpoints_object

IPS: Final = ["10.4.0.1", "10.4.0.2", "10.4.0.3", "fd00:4::1", "fd00:4::2", "banana"]
PORTS: Final[list[dict[str, Any]]] = [{"": 8080}, {"web": 8080, "db": 3306}, {"web": 70000}]
REMOTE: Final = "multicluster.linkerd.io/remote-discovery"
REMOTE_NAME: Final = "multicluster.linkerd.io/remote-service"
LOCAL: Final = "multicluster.linkerd.io/local-discovery"
FEDERATED: Final = {REMOTE: "ledger@north,ledger@south,ledger@west", LOCAL: "ledger"}


def some_service(r: Random) -> Any:
    name = r.choice(["ledger", "ledger", "ledger", "all", "far"])
    labels = {REMOTE: r.choice(["north", "south", "west", ""]), REMOTE_NAME: "ledger"}
    return service(
        name,
        ports=r.choice([*PORTS[:2], {}]),
        type=r.choice(["ClusterIP"] * 19 + ["ExternalName"]),
        local=r.random() < 0.3,
        annotations=FEDERATED if name == "all" else {},
        labels=labels if name == "far" else {},
    )


def some_endpoint(r: Random, *, hinted: bool) -> Any:
    return endpoint(
        *r.sample(IPS, r.choice([0, 1, 1, 1, 1, 2])),
        pod=r.choice([None, "a", "b", "c", "c", ("ExternalWorkload", "m"), ("Node", "n1")]),
        namespace=r.choice([""] * 7 + ["ops"]),
        ready=r.choice([None, None, True, True, False]),
        zone=r.choice([None, "z1", "z2"]),
        hints=r.choice([("z1",), ("z2",), ("z1", "z2")]) if hinted else (),
        hostname=r.choice([None, "h0"]),
    )


def some_slice(r: Random) -> Any:
    hinted = r.random() < 0.6
    return endpoint_slice(
        r.choice(["s1", "s2", "s3"]),
        r.choice(["ledger"] * 8 + ["all"]),
        *(some_endpoint(r, hinted=hinted) for _ in range(r.randrange(6))),
        ports=r.choice([*PORTS, *PORTS[:2], {}, {"web": None}]),
    )


def some_pod(r: Random) -> Any:
    return pod(
        r.choice(["a", "b", "c"]),
        r.choice(["fin"] * 9 + ["ops"]),
        r.choice(IPS[:5]),
        meshed=r.random() < 0.7,
        init_containers=[r.choice([proxy(), proxy(), proxy(""), proxy(control="")])],
        node=r.choice(["n1", "n2", ""]),
        labels={"app": "ledger"},
    )


def some_workload(r: Random) -> Any:
    identity = r.choice(["spiffe://mesh.test/m", "spiffe://mesh.test/m", "not a name"])
    return external_workload("m", "fin", r.choice(IPS[:5]), identity=identity)


def some_subsets(r: Random) -> Any:
    addresses = [endpoint_address(r.choice(IPS), pod=r.choice([None, "a"])) for _ in range(2)]
    return endpoints_object("ledger", subset(*addresses, ports=r.choice(PORTS)))


MAKERS: Final[list[tuple[int, Kind, Callable[[Random], Any]]]] = [
    (3, Kind.SERVICE, some_service),
    (8, Kind.SLICE, some_slice),
    (5, Kind.POD, some_pod),
    (1, Kind.NODE, lambda r: node(r.choice(["n1", "n2"]), r.choice(["", "z1", "z2"]))),
    (2, Kind.EXTERNAL_WORKLOAD, some_workload),
    (1, Kind.ENDPOINTS, some_subsets),
    (1, Kind.SERVER, lambda r: server("v", 8080, selects=r.choice([None, {}]))),
]
WEIGHTS: Final = [weight for weight, _, _ in MAKERS]
ASKED: Final = [
    ServiceTarget("fin", name, port, hostname)
    for name in ("ledger", "all", "far")
    for port in (8080, 3306)
    for hostname in ("", "h0")
]


def churn(r: Random, index: Index, cluster: Context | None, steps: int) -> None:
    """Objects come, change and go."""
    there: dict[tuple[Kind, Key], Any] = {}
    for _ in range(steps):
        ((_, kind, make),) = r.choices(MAKERS, WEIGHTS)
        item = make(r)
        if r.random() < 0.9:
            there[kind, item.metadata.key] = item
            index.apply(kind, Applied(item), cluster)
        elif (gone := there.pop((kind, item.metadata.key), None)) is not None:
            index.apply(kind, Deleted(gone), cluster)
        if r.random() < 0.3:
            index.flush()
    index.flush()


def make_world(r: Random, steps: int) -> World:
    """Our cluster, north that has been read, south that has not, and no west."""
    world = World(ipv6=r.random() < 0.7, transport_header=r.random() < 0.5)
    index = world.index
    identities = replace(world.mesh.identities, trust_domain="north.test")
    north = index.open_cluster("north", identities, "north.test")
    index.link("north", north)
    index.clusters.announce("south")
    index.apply(Kind.SERVICE, Applied(service("ledger", ports=r.choice(PORTS[:2]))))
    index.apply(Kind.SERVICE, Applied(service("all", annotations=FEDERATED)))
    index.apply(Kind.SERVICE, Applied(service("ledger")), north)
    churn(r, index, north, steps)
    churn(r, index, None, steps)
    return world


def heard(world: World, asked: ServiceTarget, at: str) -> set[str] | None:
    """What the first message of a stream has; None if there is no stream."""
    name = f"{asked.service}.{asked.namespace}.svc.{DOMAIN}:{asked.port}"
    try:
        stream = world.get(f"{asked.hostname}.{name}" if asked.hostname else name, at)
    except WatchError:
        return None
    stream.read()
    stream.subscription.close()
    return stream.sockets


def left(index: Index) -> tuple[int, ...]:
    contexts = list(index.clusters)
    return len(index.views), *(
        len(table) for c in contexts for table in (c.facts, c.profiles, c.dependencies)
    )


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The worlds are full of malformed objects; that these are reported is tested elsewhere."""
    with capture_logs():
        yield


@settings(max_examples=200, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64), st.integers(1, 40))
def test_every_endpoint_is_in_or_has_one_reason(seed: int, steps: int) -> None:
    r = Random(seed)
    world = make_world(r, steps)
    asked, at = r.choice(ASKED), r.choice(["", "n1", "n2", "n9"])
    fresh = heard(world, asked, at)
    followed = r.random() < 0.5 and fresh is not None
    if followed:  # a topic with a history
        stream = world.index.watch_endpoints(
            Key(asked.namespace, asked.service), asked.port, endpoints.audience_of(asked, at)
        )
        churn(r, world.index, None, steps)
        fresh = heard(world, asked, at)
    before = left(world.index)

    found = endpoints.explain(world.index, asked, at)
    shown = endpoints.page(world.index, "", asked, at, 1_000)

    assert left(world.index) == before
    assert world.index.tally.failures == 0
    every = [outcome for each in found for outcome in reasons.outcomes(each.slices)]
    listed = [o.address.socket for o in every if o.address is not None and not o.why]
    if fresh is not None:
        assert sorted(with_port(*at) for at in listed) == sorted(fresh)  # and each once
        assert shown["agrees"]
    else:
        assert shown["answer"]["error"]
    assert all(o.why or o.address is not None for o in every)
    assert reasons.UNEXPLAINED not in [o.why for o in every]
    for each in found:
        contexts = world.index.clusters.get(each.origin.cluster)
        known = contexts.objects.slices_of.get(each.origin.service, {}) if contexts else {}
        explained = [traced.endpoint for item in each.slices for traced in item.endpoints]
        assert len(explained) == sum(len(now.endpoints) for now in known.values())
        assert all(traced.outcomes for item in each.slices for traced in item.endpoints)
    if followed:
        stream.close()
