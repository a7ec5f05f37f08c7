"""Random objects of a small world, in which things meet: for tests of any order of events."""

from random import Random
from typing import Any, Final

from linkerd.mesh.labels import LOCAL_DISCOVERY, REMOTE_DISCOVERY, REMOTE_SERVICE
from services.destination.pods import ContainerPort
from tests.support.objects import (
    container,
    endpoint,
    endpoint_address,
    endpoint_slice,
    endpoints,
    external_workload,
    pod,
    proxy,
    server,
    service,
    service_profile,
    subset,
    traffic_split,
)

NAMESPACES: Final = ["fin"] * 9 + ["ops"]
PODS: Final = ["a", "b", "c"]
IPS: Final = ["10.4.0.1", "10.4.0.2", "10.4.0.3", "fd00:4::1", "fd00:4::2"]
CLUSTER_IPS: Final = ["10.96.0.1", "10.96.0.2", "fd00:96::1"]
MACHINES: Final = ["m", "n"]
PORTS: Final = [{"": 8080}, {"web": 8080, "db": 3306}, {"web": 3306, "": 8080}]
SKIP: Final = "config.linkerd.io/skip-inbound-ports"
OPAQUE: Final = "config.linkerd.io/opaque-ports"
ANNOTATIONS: Final = [{}, {}, {OPAQUE: "8080"}, {OPAQUE: "web"}, {OPAQUE: ""}, {SKIP: "53"}]
GATEWAYS: Final = {
    "mirror.linkerd.io/remote-gateway-identity": "gw.north.test",
    "mirror.linkerd.io/remote-svc-fq-name": "ledger.fin.svc.north.test",
}
REMOTES: Final = [
    *("ledger@north", "ledger@south", "ledger@north,ledger@south", " vault@north , ledger@south "),
    *("ledger@north,ledger@north", "ledger@@north", "@north,ledger@", "ledger@nowhere,x@south"),
]
REGEXES: Final = ["", "", "/a", "(", "/{id}"]
HOST_IPS: Final = [
    *("", "", "0.0.0.0", "::"),  # as pods say it; nothing is bound here
    *("127.0.0.1", "192.0.2.8", "192.0.2.9", "fd00:2::8"),
]
MIRRORED: Final = {"mirror.linkerd.io/cluster-name": "north"}


def some_service(r: Random) -> Any:
    """A service, now and then a strange one."""
    return service(
        r.choice(["ledger", "ledger", "ledger", "vault"]),
        r.choice(NAMESPACES),
        *r.sample(CLUSTER_IPS, r.choice([0, 1, 1, 2])),
        ports=r.choice(PORTS),
        type=r.choice(["ClusterIP"] * 19 + ["ExternalName"]),
        local=r.random() < 0.2,
        annotations=r.choice(ANNOTATIONS),
    )


def some_federated(r: Random) -> Any:
    """A service that stands for several, here and in linked clusters, unless it is written
    wrongly."""
    remote = [None, "", *REMOTES, *REMOTES]
    local = [None, "ledger", "ledger", "vault", "nobody", ""]
    marks = {REMOTE_DISCOVERY: r.choice(remote), LOCAL_DISCOVERY: r.choice(local)}
    annotations = {name: value for name, value in marks.items() if value is not None}
    return service(
        "all",
        "fin",
        ports=r.choice(PORTS),
        local=r.random() < 0.1,
        annotations=annotations,
    )


def some_mirror(r: Random) -> Any:
    """A service that stands for one of a linked cluster, unless it is written wrongly."""
    cluster = r.choice(["north", "north", "south", "nowhere", "", None])
    name = r.choice(["ledger", "ledger", "ledger", "vault", "", None])
    marks = {REMOTE_DISCOVERY: cluster, REMOTE_SERVICE: name}
    labels = {name: value for name, value in marks.items() if value is not None}
    return service("mirror", "fin", ports=r.choice(PORTS), labels=labels)


def some_endpoint(r: Random, *, hinted: bool) -> Any:
    """An endpoint, of somebody or nobody."""
    return endpoint(
        r.choice(IPS),
        pod=r.choice([None, *PODS, *PODS, *(("ExternalWorkload", m) for m in MACHINES)]),
        namespace=r.choice([""] * 7 + ["ops"]),
        ready=r.choice([None, None, True, True, True, False]),
        zone=r.choice([None, "z1", "z2"]),
        hints=r.choice([("z1",), ("z2",), ("z1", "z2")]) if hinted else (),
        hostname=r.choice([None, "h0", "h0", "h1"]),
    )


def some_slice(r: Random) -> Any:
    """A slice; some are of no service, some lead to a gateway."""
    mirrored, hinted = r.random() < 0.2, r.random() < 0.6
    return endpoint_slice(
        r.choice(["s1", "s2", "s3"]),
        r.choice([None, "vault", *["ledger"] * 8]),
        *(some_endpoint(r, hinted=hinted) for _ in range(r.randrange(7))),
        namespace=r.choice(NAMESPACES),
        ports=r.choice([*PORTS, *PORTS, *PORTS, {}]),
        annotations=GATEWAYS if mirrored else {},
        labels=MIRRORED if mirrored else {},
    )


def some_pod(r: Random) -> Any:
    """A pod in any state."""
    return pod(
        r.choice(PODS),
        r.choice(NAMESPACES),
        *r.sample(IPS, r.choice([0, 1, 1, 2])),
        meshed=r.random() < 0.7,
        containers=[container("app", *some_host_ports(r), web=(8080, r.choice([0, 0, 7711])))],
        init_containers=[
            r.choice([proxy(), proxy(), proxy(), proxy(), proxy(""), proxy(control="")])
        ],
        labels={"app": r.choice(["ledger", "vault"])},
        node=r.choice(["n1", "n2"]),
        account=r.choice(["", "sa"]),
        phase=r.choice(["Running"] * 8 + ["Pending", "Failed"]),
        host_network=r.random() < 0.15,
        host_ips=r.choice([("192.0.2.8",), ("192.0.2.8", "fd00:2::8"), ("192.0.2.9",), ()]),
        owners=r.choice([[], [("ReplicaSet", "r")], [("Job", "r")]]),
        annotations=r.choice(ANNOTATIONS),
        deleting=r.random() < 0.2,
    )


def some_host_ports(r: Random) -> list[ContainerPort]:
    """Ports of the node that lead to a pod, of both protocols, at some of its addresses."""
    return [
        ContainerPort(
            r.choice([53, 3306]),
            host_port=r.choice([53, 7711]),
            host_ip=r.choice(HOST_IPS),
            protocol=r.choice(["TCP", "TCP", "UDP"]),
        )
        for _ in range(r.choice([0, 0, 1, 2]))
    ]


def some_server(r: Random) -> Any:
    """A Server for some, all or none."""
    return server(
        r.choice(["v1", "v2"]),
        8080 if r.random() < 0.5 else "web",
        namespace=r.choice(NAMESPACES),
        selects=r.choice([None, {}, {"app": "ledger"}]),
        workloads=r.choice([None, {}, {"app": "ledger"}]),
        protocol=r.choice(["opaque", "opaque", "HTTP/2"]),
    )


def some_profile(r: Random) -> Any:
    """A ServiceProfile, which may mean nothing."""
    return service_profile(
        "ledger.fin.svc.mesh.test",
        r.choice(["fin", "ops"]),
        routes=[
            {"name": "a", "condition": {"method": method, "pathRegex": r.choice(REGEXES)}}
            for method in r.choice(["GP", "", [""], ["G", "G P"]])
        ],
    )


def some_endpoints(r: Random) -> Any:
    """An Endpoints object, of which Kubernetes keeps one a service."""
    subsets = [
        subset(
            *(
                endpoint_address(
                    r.choice(IPS),
                    pod=r.choice([None, *PODS, ("ExternalWorkload", "m")]),
                    hostname=r.choice([None, "h0"]),
                )
                for _ in range(r.randrange(5))
            ),
            ports=r.choice([*PORTS, {}]),
        )
        for _ in range(r.randrange(4))
    ]
    mirrored = r.random() < 0.2
    return endpoints(
        r.choice(["ledger", "ledger", "ledger", "vault"]),
        *subsets,
        namespace=r.choice(NAMESPACES),
        annotations=GATEWAYS if mirrored else {},
        labels=MIRRORED if mirrored else {},
    )


def some_workload(r: Random) -> Any:
    """An ExternalWorkload, which may have a pod's IP."""
    return external_workload(
        r.choice(MACHINES),
        r.choice(NAMESPACES),
        *r.sample(IPS, r.choice([0, 1, 2])),
        ports=r.choice([*PORTS, {"linkerd-proxy": r.choice([7143, 65535]), "web": 8080}]),
        identity=r.choice(["spiffe://mesh.test/m", "m.mesh.test", "no uri"]),
        labels={"app": r.choice(["ledger", "vault"])},
        owners=r.choice([[], [("WorkloadGroup", "g")]]),
        annotations=r.choice(ANNOTATIONS),
        deleting=r.random() < 0.1,
    )


def some_split(r: Random) -> Any:
    """A TrafficSplit; of a day, so that some are equally old."""
    backends: dict[str, Any] = {name: r.choice([1, "500m", 0]) for name in r.sample(PODS, 2)}
    if r.random() < 0.2:
        backends["v"] = "heavy"
    return traffic_split(
        r.choice(["s", "t"]),
        r.choice(["ledger", "ledger", "vault"]),
        namespace=r.choice(NAMESPACES),
        created=f"2026-01-0{r.choice([1, 2])}T00:00:00Z",
        **backends,
    )
