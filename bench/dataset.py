"""The objects of the benches: one cluster of a fixed shape, the same in every run.

`DEFAULT` holds 1,000 services, 10,000 meshed pods of realistic size, their ReplicaSets and
EndpointSlices on 100 nodes in three zones. Services named `fan-N` in the first namespace put N
of its pods behind one name; the fan-out benches flip endpoints of those. API-only clusters run
no controllers, so slices and pod status are written here as the controllers would.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bench import containers
from linkerd.mesh import labels
from linkerd.mesh.names import DEFAULT_DOMAIN, service_name

PORT = 8080
SLICE_SIZE = 100  # what the EndpointSlice controller puts into one slice
FORMAT = 2  # raise when the objects change, so that kept clusters are seeded anew

NODES = "/api/v1/nodes"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is of everything."""

    namespaces: int = 10
    services_per_namespace: int = 100
    pods_per_service: int = 10
    nodes: int = 100
    fans: tuple[int, ...] = (10, 100, 1000)

    @property
    def services(self) -> int:
        """Services with a deployment behind them (the fans come on top)."""
        return self.namespaces * self.services_per_namespace

    @property
    def pods(self) -> int:
        """Pods altogether."""
        return self.services * self.pods_per_service

    @property
    def digest(self) -> str:
        """Changes whenever the objects do."""
        text = json.dumps([FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


DEFAULT = Shape()


@dataclass(frozen=True, slots=True)
class Item:
    """One object to be created; `status` is patched afterwards where there is one."""

    path: str  # of the collection
    body: Json
    status: Json | None = None

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.body["metadata"]["name"])


def namespace(index: int) -> str:
    """Name of a namespace."""
    return f"bench-{index:02d}"


def node(index: int) -> str:
    """Name of a node."""
    return f"node-{index:03d}"


def zone(node_index: int) -> str:
    """Zone of a node."""
    return f"zone-{'abc'[node_index % 3]}"


def address(pod: int) -> str:
    """IP of the pod with this number, unique in the cluster; room for 65,536 x 250 of them."""
    return f"10.{32 + pod // 62500}.{pod // 250 % 250}.{pod % 250 + 1}"


def authority(service: str, in_namespace: str) -> str:
    """What a proxy asks for."""
    return f"{service_name(service, in_namespace, DEFAULT_DOMAIN)}:{PORT}"


def fan(endpoints: int) -> str:
    """Name of the service with so many endpoints, in the first namespace."""
    return f"fan-{endpoints}"


@dataclass(frozen=True, slots=True)
class Member:
    """Where one pod belongs: all that its objects are computed from."""

    shape: Shape
    number: int  # in the cluster

    @property
    def service(self) -> int:
        """Number of its service."""
        return self.number // self.shape.pods_per_service

    @property
    def namespace(self) -> str:
        """Name of its namespace."""
        return namespace(self.service // self.shape.services_per_namespace)

    @property
    def app(self) -> str:
        """Name of its service and Deployment."""
        return f"app-{self.service % self.shape.services_per_namespace:03d}"

    @property
    def name(self) -> str:
        """Its name."""
        return f"{self.app}-5d8f6c9b7-{self.number % self.shape.pods_per_service:05x}"

    @property
    def node(self) -> int:
        """Number of its node."""
        return self.number % self.shape.nodes

    def endpoint(self) -> Json:
        """What a slice says of it."""
        return {
            "addresses": [address(self.number)],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": node(self.node),
            "zone": zone(self.node),
            "targetRef": {"kind": "Pod", "name": self.name, "namespace": self.namespace},
        }


def first_wave(shape: Shape) -> Iterator[Item]:
    """What has to be there before the rest: namespaces, service accounts, nodes."""
    for index in range(shape.namespaces):
        yield Item("/api/v1/namespaces", {"metadata": {"name": namespace(index)}})
    for index in range(shape.nodes):
        marks = {labels.TOPOLOGY_ZONE: zone(index), "kubernetes.io/hostname": node(index)}
        yield Item(NODES, {"metadata": {"name": node(index), "labels": marks}})


def service_accounts(shape: Shape) -> Iterator[Item]:
    """The accounts that the admission of pods asks for; no controller makes them here."""
    for index in range(shape.namespaces):
        path = f"/api/v1/namespaces/{namespace(index)}/serviceaccounts"
        yield Item(path, {"metadata": {"name": "default"}})


def second_wave(shape: Shape) -> Iterator[Item]:
    """Services with their ReplicaSets, slices and pods."""
    for number in range(shape.services):
        pods = range(number * shape.pods_per_service, (number + 1) * shape.pods_per_service)
        members = [Member(shape, pod) for pod in pods]
        yield make_service(members[0].namespace, members[0].app)
        yield make_replica_set(members[0], len(members))
        yield from make_slices(members[0].app, members)
        for member in members:
            yield Item(collection(member.namespace, "pods"), make_pod(member), pod_status(member))
    for endpoints in shape.fans:
        members = [Member(shape, pod) for pod in range(endpoints)]
        yield make_service(namespace(0), fan(endpoints))
        yield from make_slices(fan(endpoints), members)


def collection(in_namespace: str, plural: str, group: str = "/api/v1") -> str:
    """Path of the objects of a kind in a namespace."""
    return f"{group}/namespaces/{in_namespace}/{plural}"


def make_service(in_namespace: str, name: str) -> Item:
    """A service that selects pods by its name."""
    body = {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"app": name},
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }
    return Item(collection(in_namespace, "services"), body)


def slice_name(service: str, index: int) -> str:
    """Name of the index-th EndpointSlice of a service."""
    return f"{service}-{index:03d}"


def make_slices(service: str, members: list[Member]) -> Iterator[Item]:
    """The slices of a service with these pods, all of one namespace."""
    path = collection(members[0].namespace, "endpointslices", "/apis/discovery.k8s.io/v1")
    for index, start in enumerate(range(0, len(members), SLICE_SIZE)):
        marks = {
            labels.SERVICE_NAME: service,
            labels.SLICE_MANAGED_BY: "endpointslice-controller.k8s.io",
        }
        body = {
            "metadata": {"name": slice_name(service, index), "labels": marks},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
            "endpoints": [pod.endpoint() for pod in members[start : start + SLICE_SIZE]],
        }
        yield Item(path, body)


def _owner(kind: str, name: str) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": name,
        "uid": f"00000000-0000-0000-0000-{hashlib.sha256(name.encode()).hexdigest()[:12]}",
        "controller": True,
    }


def make_replica_set(pod: Member, replicas: int) -> Item:
    """The ReplicaSet of a pod and its likes."""
    marks = {"app": pod.app, "pod-template-hash": "5d8f6c9b7"}
    body = {
        "metadata": {
            "name": f"{pod.app}-5d8f6c9b7",
            "labels": marks,
            "ownerReferences": [_owner("Deployment", pod.app)],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": marks},
            "template": {
                "metadata": {"labels": marks},
                "spec": {"containers": [containers.app(PORT)]},
            },
        },
    }
    return Item(collection(pod.namespace, "replicasets", "/apis/apps/v1"), body)


def make_pod(pod: Member) -> Json:
    """An injected pod of realistic size."""
    return {
        "metadata": {
            "name": pod.name,
            "labels": {
                "app": pod.app,
                "pod-template-hash": "5d8f6c9b7",
                labels.CONTROL_PLANE_NS: "linkerd",
                labels.PROXY_DEPLOYMENT: pod.app,
                labels.WORKLOAD_NS: pod.namespace,
            },
            "annotations": {
                "linkerd.io/inject": "enabled",
                "linkerd.io/created-by": "linkerd/proxy-injector",
                "linkerd.io/proxy-version": "bench",
                labels.TRUST_ROOT_SHA256: "0" * 64,
            },
            "ownerReferences": [_owner("ReplicaSet", f"{pod.app}-5d8f6c9b7")],
        },
        "spec": {
            "nodeName": node(pod.node),
            "serviceAccountName": "default",
            "containers": [containers.app(PORT), containers.proxy()],
            "volumes": [{"name": "linkerd-identity-end-entity", "emptyDir": {"medium": "Memory"}}],
        },
    }


def pod_status(pod: Member) -> Json:
    """The status of a pod that is ready."""
    since = "2026-01-01T00:00:00Z"
    return {
        "phase": "Running",
        "podIP": address(pod.number),
        "podIPs": [{"ip": address(pod.number)}],
        "hostIP": f"192.168.{pod.node // 250}.{pod.node % 250 + 1}",
        "startTime": since,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": since}
            for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
        ],
        "containerStatuses": [
            {
                "name": name,
                "ready": True,
                "started": True,
                "restartCount": 0,
                "image": f"registry.invalid/{name}:bench",
                "imageID": f"registry.invalid/{name}@sha256:{'0' * 64}",
                "containerID": f"containerd://{'0' * 64}",
                "state": {"running": {"startedAt": since}},
            }
            for name in ("app", "linkerd-proxy")
        ],
    }
