"""Objects as an API server may hold them and nobody should write them: fields that are missing,
wrong, huge or contradictory. No error of ours, no message that a proxy would drop a part of (the
readers check that), and nobody else is disturbed."""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.events import Applied, Deleted
from services.destination.index import Kind, WatchError
from services.destination.resources import resources
from tests.support.destination.world import EndpointStream, ProfileStream, World
from tests.support.objects import endpoint, endpoint_slice, pod, service
from tests.support.spoiling import spoil

LEDGER: Final = "ledger.fin.svc.mesh.test"


def metadata(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "fin", "uid": name, "resourceVersion": "1", **more}


PROXY: Final[dict[str, Any]] = {
    "name": "linkerd-proxy",
    "env": [
        {"name": f"LINKERD2_PROXY_{name}_LISTEN_ADDR", "value": f"0.0.0.0:{port}"}
        for name, port in (("INBOUND", 4143), ("ADMIN", 4191), ("CONTROL", 4190))
    ],
}
MIRROR: Final = {
    "mirror.linkerd.io/remote-gateway-identity": "gw.north.test",
    "mirror.linkerd.io/remote-svc-fq-name": "ledger.fin.svc.north.test",
}
PORTS: Final = [{"name": "http", "port": 8080}, {"name": "db", "port": 3306}]
CONDITION: Final[dict[str, Any]] = {
    "all": [{"method": "get"}, {"not": {"pathRegex": "/a"}}],
    "any": [],
}
MANIFESTS: Final[dict[Kind, dict[str, Any]]] = {
    Kind.SERVICE: {
        "metadata": metadata("ledger", annotations={"config.linkerd.io/opaque-ports": "db,1-5"}),
        "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": PORTS},
    },
    Kind.POD: {
        "metadata": metadata(
            "a",
            labels={"linkerd.io/control-plane-ns": "linkerd", "pod-template-hash": "7f"},
            annotations={
                "config.linkerd.io/opaque-ports": "wire",
                "config.linkerd.io/skip-inbound-ports": "9443",
            },
            ownerReferences=[{"kind": "ReplicaSet", "name": "r", "uid": "r"}],
        ),
        "spec": {
            "nodeName": "n1",
            "serviceAccountName": "sa",
            "containers": [
                PROXY,
                {"name": "app", "ports": [{"name": "wire", "containerPort": 1, "hostPort": 7711}]},
            ],
            "initContainers": [{"name": "init"}],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.4.0.1",
            "podIPs": [{"ip": "10.4.0.1"}, {"ip": "fd00::1"}],
            "hostIP": "192.0.2.8",
        },
    },
    Kind.SLICE: {
        "metadata": metadata("l1", labels={"kubernetes.io/service-name": "ledger"}),
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.4.0.1"],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": "a", "namespace": "fin"},
                "zone": "z1",
                "hints": {"forZones": [{"name": "z1"}]},
                "hostname": "h0",
            },
            {
                "addresses": ["192.0.2.40"],
                "targetRef": {"kind": "ExternalWorkload", "name": "m"},
                "hints": {"forZones": [{"name": "z1"}]},
            },
        ],
        "ports": PORTS,
    },
    Kind.ENDPOINTS: {
        "metadata": metadata("ledger", annotations=MIRROR),
        "subsets": [
            {
                "addresses": [
                    {"ip": "10.4.0.1", "targetRef": {"kind": "Pod", "name": "a"}},
                    {"ip": "192.0.2.9", "hostname": "h0"},
                ],
                "notReadyAddresses": [{"ip": "10.4.0.2"}],
                "ports": PORTS,
            }
        ],
    },
    Kind.EXTERNAL_WORKLOAD: {
        "metadata": metadata("m", ownerReferences=[{"kind": "WorkloadGroup", "name": "g"}]),
        "spec": {
            "meshTLS": {"identity": "spiffe://mesh.test/m", "serverName": "m.mesh.test"},
            "workloadIPs": [{"ip": "192.0.2.40"}, {"ip": "fd00::40"}],
            "ports": [*PORTS, {"name": "linkerd-proxy", "port": 7143}],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    },
    Kind.NODE: {"metadata": metadata("n1", labels={"topology.kubernetes.io/zone": "z1"})},
    Kind.REPLICA_SET: {
        "metadata": metadata("r", ownerReferences=[{"kind": "Deployment", "name": "d"}])
    },
    Kind.JOB: {"metadata": metadata("r", ownerReferences=[{"kind": "CronJob", "name": "c"}])},
    Kind.SERVER: {
        "metadata": metadata("s"),
        "spec": {
            "port": 8080,
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]},
            "externalWorkloadSelector": {"matchLabels": {}},
            "proxyProtocol": "opaque",
        },
    },
    Kind.PROFILE: {
        "metadata": metadata(LEDGER),
        "spec": {
            "routes": [
                {
                    "name": "list",
                    "condition": CONDITION,
                    "timeout": "350ms",
                    "isRetryable": True,
                    "responseClasses": [
                        {"condition": {"status": {"min": 500, "max": 599}}, "isFailure": True}
                    ],
                }
            ],
            "retryBudget": {"retryRatio": 0.3, "minRetriesPerSecond": 5, "ttl": "20s"},
            "dstOverrides": [],
        },
    },
    Kind.SPLIT: {
        "metadata": metadata("sp", creationTimestamp="2026-01-01T00:00:00Z"),
        "spec": {"service": "ledger", "backends": [{"service": "v1", "weight": "900m"}]},
    },
}
GATEWAY: Final[dict[str, Any]] = {
    "metadata": metadata(
        "gw",
        labels={
            "kubernetes.io/service-name": "ledger",
            "mirror.linkerd.io/cluster-name": "north",
        },
        annotations=MIRROR,
    ),
    "addressType": "IPv4",
    "endpoints": [{"addresses": ["192.0.2.127"]}],
    "ports": PORTS,
}
OVERRIDES: Final[dict[str, Any]] = {
    "metadata": metadata(LEDGER),
    "spec": {"dstOverrides": [{"authority": "v2.fin.svc.mesh.test:80", "weight": "1"}]},
}
GETS: Final = [f"{LEDGER}:8080", f"{LEDGER}:3306", f"{LEDGER}:9", f"h0.{LEDGER}:8080"]
PROFILES: Final = [
    *(f"{LEDGER}:8080", f"{LEDGER}:9", f"h0.{LEDGER}:8080", "10.96.0.1:8080", "10.4.0.1:8080"),
    *("10.4.0.1:1", "[fd00::1]:8080", "192.0.2.8:7711", "192.0.2.40:8080", "[fd00::40]:8080"),
]


def decode(kind: Kind, manifest: dict[str, Any], *, slices: bool) -> Any:
    """What the reflector would make of it; None if it would leave it out."""
    raw = json.dumps(manifest, allow_nan=False).encode()
    item = ObjectDecoder(resources(slices=slices)[kind].struct).decode(raw)
    return None if isinstance(item, Malformed) else item


def named(spoiled: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """The spoiled object, with its name and namespace if it has metadata at all: an API server
    takes no object without, nor any that is no DNS name."""
    if isinstance(metadata := spoiled.get("metadata"), dict):
        kept = {name: manifest["metadata"][name] for name in ("name", "namespace")}
        spoiled["metadata"] = {**metadata, **kept}
    return spoiled


def open_streams(world: World) -> list[EndpointStream | ProfileStream]:
    streams: list[EndpointStream | ProfileStream] = []
    for open_, paths in ((world.get, GETS), (world.profile, PROFILES)):
        for path in paths:
            try:
                streams.append(open_(path))
            except WatchError:
                continue
    return streams


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck])
@given(seed=st.integers(0, 1 << 64), slices=st.booleans(), forced=st.booleans())
def test_whatever_is_spoiled(*, seed: int, slices: bool, forced: bool) -> None:
    random = Random(seed)
    world = World(transport_header=forced)
    world.apply(service("calm", "ops"), pod("calm-1", "ops", "10.4.9.9"))
    calm_slice = endpoint_slice("c", "calm", endpoint("10.4.9.9", pod="calm-1"), namespace="ops")
    world.apply(calm_slice)
    path = "calm.ops.svc.mesh.test:8080"
    calm: list[EndpointStream | ProfileStream] = [world.get(path), world.profile(path)]
    for stream in calm:
        assert len(stream.read()) == 1
    known = list(resources(slices=slices))
    extra = {Kind.SLICE: [GATEWAY], Kind.PROFILE: [OVERRIDES]}
    choices = [(k, m) for k in known for m in (MANIFESTS[k], *extra.get(k, []))]
    for kind, manifest in choices:
        if random.random() < 0.9:
            world.index.apply(kind, Applied(decode(kind, manifest, slices=slices)))
    world.index.flush()
    streams = open_streams(world)
    for _ in range(6):
        kind, manifest = random.choice(choices)
        item = decode(kind, named(spoil(manifest, random), manifest), slices=slices)
        if item is None:
            continue
        world.index.apply(kind, Applied(item))
        world.index.flush()
        streams += open_streams(world)
        for stream in streams:
            stream.read()
        if random.random() < 0.3:
            world.index.apply(kind, Deleted(item))
    world.index.flush()
    for stream in streams:
        stream.read()
    assert world.index.tally.failures == 0
    assert world.index.home.complaints.tally.failures == 0
    assert all(stream.read() == [] for stream in calm)
