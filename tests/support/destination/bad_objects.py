"""Good objects, and bad ones in their places: for tests of whatever an API server may hold.

Everything but `calm` is in the namespace fin or in none; nothing there concerns the neighbours in
ops.
"""

import json
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any, Final

import msgspec

from linkerd.kube.intake import Intake
from linkerd.kube.objects import Key
from linkerd.mesh import labels
from services.destination.index import Kind
from services.destination.index.context import Context
from services.destination.resources import resources
from tests.support.destination.world import World
from tests.support.feeds import METER, watch_line
from tests.support.generated import Maker, crd_schema
from tests.support.objects import (
    container,
    endpoint,
    endpoint_address,
    endpoint_slice,
    endpoints,
    external_workload,
    node,
    owned,
    pod,
    proxy,
    server,
    service,
    service_profile,
    subset,
    traffic_split,
)
from tests.support.spoiling import spoil

LEDGER: Final = "ledger.fin.svc.mesh.test"
CALM: Final = "calm.ops.svc.mesh.test"
GATEWAY: Final = {
    labels.REMOTE_GATEWAY_IDENTITY: "gw.north.test",
    labels.REMOTE_SERVICE_FQ_NAME: "ledger.fin.svc.north.test",
}
WORDS: Final = [
    *(value for value in vars(labels).values() if isinstance(value, str)),
    *("ledger", "fin", "a", "b", "m", "s", "n1", "z1", "http", "db", LEDGER, "north", "Pod"),
    *("10.4.0.1", "10.4.0.2", "fd00::1", "10.96.0.1", "192.0.2.8", "192.0.2.40", "None", "IPv4"),
    *("ExternalName", "Local", "Running", "Failed", "opaque", "True", "ExternalWorkload", "In"),
    *("0.0.0.0:4143", "1-9,http", "spiffe://mesh.test/m", "GET", "/a", "10s", "500m", "ReplicaSet"),
    *("2020-01-01T00:00:00Z", "", "x" * 300, 'a"b', "a\nb", "\u0000", "Ä b", "256.1.1.1"),
    *("(", "/{id}"),
]
ODD_OF: Final[dict[type, list[Any]]] = {
    int: [0, -1, 1, 4143, 65535, 65536, 2**31, 2**63 - 1],
    str: [
        *("", "a b", 'a"b', "a\nb", "Ä", "x" * 300, "10.4.0.2", "0.0.0.0:65535", "0s", "2h", "-1"),
        *("(", "/{id}"),
    ],
    float: [-0.5, 1001.0, 1e300],
    bool: [True, False],
}
ROUTE: Final[dict[str, Any]] = {
    "name": "a",
    "condition": {"all": [{"method": "GET"}, {"not": {"pathRegex": "/a"}}]},
    "timeout": "1s",
    "responseClasses": [{"condition": {"status": {"min": 500, "max": 599}}, "isFailure": True}],
}
SCHEMAS: Final = {
    Kind.SERVER: ("servers", "v1beta3"),
    Kind.PROFILE: ("serviceprofiles", "v1alpha2"),
    Kind.EXTERNAL_WORKLOAD: ("externalworkloads", "v1beta1"),
}
STREAMS: Final = [
    *(("get", f"{LEDGER}:8080", "n1"), ("get", f"{LEDGER}:3306", ""), ("get", f"h0.{LEDGER}", "")),
    *(("profile", f"{LEDGER}:8080", "fin"), ("profile", "10.96.0.1:8080", "ops")),
    *(("profile", "10.4.0.1:8080", ""), ("profile", "[fd00::1]:8080", "")),
    *(("profile", "192.0.2.8:7711", ""), ("profile", "192.0.2.40:8080", "")),
    *(("profile", f"h0.{LEDGER}:8080", ""), ("profile", "10.4.0.2:1", "")),
]
PORTS: Final = {"http": 8080, "db": 3306}


def good(*, slices: bool) -> dict[Kind, list[Any]]:
    """What the streams are about."""
    machine = ("ExternalWorkload", "m")
    ready = [endpoint("10.4.0.1", pod="a", zone="z1", hostname="h0"), endpoint("10.4.0.2", pod="b")]
    where: dict[Kind, list[Any]] = {
        Kind.SLICE: [
            endpoint_slice("s", "ledger", *ready, ports=PORTS),
            endpoint_slice("m", "ledger", endpoint("192.0.2.40", pod=machine), ports=PORTS),
            endpoint_slice(
                "g", "ledger", endpoint("192.0.2.9"), ports=PORTS, annotations=dict(GATEWAY)
            ),
        ]
    }
    if not slices:
        addresses = [
            endpoint_address("10.4.0.1", pod="a", hostname="h0"),
            endpoint_address("fd00::9"),
        ]
        where = {Kind.ENDPOINTS: [endpoints("ledger", subset(*addresses, ports=PORTS))]}
    app = container("app", http=(8080, 7711))
    return where | {
        Kind.SERVICE: [service("ledger", "fin", "10.96.0.1", ports=PORTS)],
        Kind.POD: [
            pod(
                *("a", "fin", "10.4.0.1", "fd00::1"),
                containers=[app],
                init_containers=[proxy()],
                labels={"app": "ledger"},
                host_ip="192.0.2.8",
                owners=[("ReplicaSet", "r")],
                annotations={labels.OPAQUE_PORTS: "db,9"},
            ),
            pod("b", "fin", "10.4.0.2", owners=[("Job", "j")]),
        ],
        Kind.NODE: [node("n1", "z1")],
        Kind.REPLICA_SET: [owned("r", "fin", ("Deployment", "d"))],
        Kind.JOB: [owned("j", "fin", ("CronJob", "c"))],
        Kind.SERVER: [server("s", "http", selects={"app": "ledger"}, workloads={})],
        Kind.PROFILE: [
            service_profile(
                LEDGER,
                routes=[ROUTE],
                retryBudget={"retryRatio": 0.3, "minRetriesPerSecond": 5, "ttl": "20s"},
            )
        ],
        Kind.EXTERNAL_WORKLOAD: [external_workload("m", "fin", "192.0.2.40", ports=PORTS)],
        Kind.SPLIT: [traffic_split("sp", "ledger", a=1, b="500m")],
    }


def calm() -> list[tuple[Kind, Any]]:
    """Neighbours, whom nothing in other namespaces concerns."""
    return [
        (Kind.SERVICE, service("calm", "ops", "10.96.9.9")),
        (Kind.POD, pod("calm", "ops", "10.4.9.9")),
        (
            Kind.SLICE,
            endpoint_slice("c", "calm", endpoint("10.4.9.9", pod="calm"), namespace="ops"),
        ),
        (Kind.ENDPOINTS, endpoints("calm", subset(endpoint_address("10.4.9.9")), namespace="ops")),
        (Kind.EXTERNAL_WORKLOAD, external_workload("calm", "ops", "192.0.2.99")),
        (Kind.NODE, node("n9", "z9")),
    ]


CALM_STREAMS: Final = [
    *(("get", f"{CALM}:8080", "n9"), ("profile", f"{CALM}:8080", "ops")),
    *(("profile", "10.96.9.9:8080", "ops"), ("profile", "10.4.9.9:8080", "")),
    *(("profile", "192.0.2.99:8080", ""), ("profile", "198.51.100.1:80", "")),
]


class Server:
    """What reflectors would feed an index with, as bytes: of our cluster, or of a linked one."""

    def __init__(self, world: World, *, slices: bool, context: Context | None = None) -> None:
        self.kinds = resources(slices=slices)
        self._intakes = {kind: Intake(resource, METER) for kind, resource in self.kinds.items()}
        self._listeners = {kind: world.index.listener(kind, context) for kind in self.kinds}
        self._versions = count(1_000_000)

    def say(self, what: str, kind: Kind, raw: bytes) -> None:
        """A line of a watch."""
        self._listeners[kind](self._intakes[kind].take_line(watch_line(what, raw)))

    def put(self, kind: Kind, item: Any) -> None:
        """An object, of a new version."""
        document = json.loads(msgspec.json.encode(item))
        document["metadata"]["resourceVersion"] = str(next(self._versions))
        self.say("MODIFIED", kind, json.dumps(document).encode())

    def list(self, kind: Kind, objects: list[Any]) -> None:
        """A list of just these."""
        intake, tell = self._intakes[kind], self._listeners[kind]
        intake.expire()
        intake.begin_list()
        tell(intake.take_items([msgspec.json.encode(item) for item in objects]))
        tell(intake.take_gone(intake.unlisted()))
        intake.end_list(str(next(self._versions)))

    def bad(self, kind: Kind, model: Any, maker: Maker) -> bytes:
        """An object of the kind, perhaps in the place of `model`, with something wrong with it."""
        random = maker.random
        if random.random() < 0.6:
            document = json.loads(msgspec.json.encode(model))
        elif kind in SCHEMAS and random.random() < 0.5:
            document = maker.from_schema(crd_schema(*SCHEMAS[kind]))
        else:
            document = maker.from_struct(self.kinds[kind].struct)
        if (chance := random.random()) < 0.4:
            document = spoil(document, random)
        elif chance < 0.9:
            nudge(document, maker)
        if random.random() < 0.3:
            contradict(document, random)
        metadata = document.get("metadata")
        if isinstance(metadata, dict) and random.random() < 0.9:
            key: Key = random.choice([model.metadata.key, Key("fin", random.choice("abms"))])
            metadata |= {"name": key.name, "namespace": key.namespace}
            metadata |= {"resourceVersion": str(next(self._versions))}
        raw = json.dumps(document, ensure_ascii=random.random() < 0.5).encode()
        return _deep(raw) if random.random() < 0.02 else raw


def _deep(raw: bytes) -> bytes:
    """The object, with a part that is nested deeper than decoders can follow."""
    return raw.replace(b"{", b'{"deep":' + b"[" * 3_000 + b"]" * 3_000 + b",", 1).replace(
        b",}", b"}"
    )


def nudge(document: dict[str, Any], maker: Maker) -> None:
    """Another value of the same type in one place, of those that no server gives or takes."""
    places = list(_leaves({key: part for key, part in document.items() if key != "metadata"}))
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and (maker.random.random() < 0.3 or not places):
        places = list(_leaves({key: metadata.get(key) for key in ("labels", "annotations")}))
    if places:
        container, key = maker.random.choice(places)
        kind = type(container[key])
        container[key] = maker.random.choice(ODD_OF.get(kind, [None]))


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(inner, dict | list):
            yield from _leaves(inner)
        elif inner is not None:
            yield value, key


def _nested(levels: int) -> dict[str, Any]:
    return {"all": [_nested(levels - 1)]} if levels else {"method": "GET"}


def contradict(document: dict[str, Any], random: Random) -> None:
    """Right by itself, and at odds with the rest."""
    spec, metadata = document.setdefault("spec", {}), document.setdefault("metadata", {})
    if not (isinstance(spec, dict) and isinstance(metadata, dict)):
        return
    ports = [{"name": "http", "port": n, "containerPort": n} for n in (8080, 0, 65536, -1, 8080)]
    odd: list[Callable[[], Any]] = [
        lambda: spec.update(clusterIP="None", clusterIPs=["10.96.0.1", "10.96.0.1", "x"]),
        lambda: spec.update(type="ExternalName", clusterIP="10.96.0.1"),
        lambda: spec.update(ports=ports),
        lambda: spec.update(podSelector={"matchExpressions": [{"key": "a", "operator": "Near"}]}),
        lambda: spec.update(routes=[{"name": "a", "condition": _nested(60)}]),
        lambda: spec.update(routes=[ROUTE] * 1_000),
        lambda: document.update(ports=ports, addressType="IPv4"),
        lambda: metadata.update(uid="uid-fin-a"),
        lambda: metadata.update(deletionTimestamp="1970-01-01T00:00:00Z"),
        lambda: metadata.update(ownerReferences=[{"kind": 'K"', "name": "o\n"}]),
        lambda: document.update(
            addressType="IPv6",
            endpoints=[{"addresses": ["10.4.0.1", "10.4.0.1", "fd00::1", "a"]}] * 2,
        ),
        lambda: document.update(status={"phase": "Running", "podIP": "10.4.0.2", "podIPs": []}),
        lambda: spec.update(hostNetwork=True, containers=[{"name": "linkerd-proxy"}] * 2),
        lambda: metadata.update(annotations=dict.fromkeys(GATEWAY, "x" * 65_536)),
        lambda: metadata.update(labels={labels.SERVICE_NAME: "ledger", "app": "ledger"}),
    ]
    random.choice(odd)()
