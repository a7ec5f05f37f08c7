"""An index of policy, and what it tells of ports, as a proxy reads it."""

from typing import Any, Final

import grpc
from google.protobuf.json_format import MessageToDict

from linkerd.index import AtOnce, Pace
from linkerd.kube.events import Applied, Deleted
from linkerd.mesh.names import IdentityDomain
from linkerd.mesh.workload_token import WorkloadToken
from linkerd.policy.networks import Network, parse_block
from linkerd.streams import StreamEnd, Subscription
from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.index import PolicyIndex
from services.policy.index.kinds import Kind
from services.policy.model.mesh_settings import MeshSettings
from services.policy.wire.inbound import encode_port
from services.policy.wire.outbound import PolicyDeltas
from tests.support.policy.objects import item
from tests.support.policy.readers import ServerReader

CLUSTER_NETWORK: Final = "10.0.0.0/8"
PROBE_NETWORK: Final = "192.0.2.0/24"


def mesh(**changes: Any) -> MeshSettings:
    """Settings of a small mesh, in which kubelets are known."""
    settings: dict[str, Any] = {
        "identities": IdentityDomain("linkerd", "cluster.local"),
        "cluster_networks": (Network(parse_block(CLUSTER_NETWORK)),),
        "probe_networks": (Network(parse_block(PROBE_NETWORK)),),
    }
    return MeshSettings(**(settings | changes))


def make_index(settings: MeshSettings | None = None, pace: Pace | None = None) -> PolicyIndex:
    """An empty index, which works at once."""
    return PolicyIndex(
        settings or mesh(), port=encode_port, policies=PolicyDeltas, pace=pace or AtOnce()
    )


class Follower:
    """A proxy that follows a port."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._reader = ServerReader()
        self._last = pb.Server()
        self.wakes = 0
        self.ended = False
        subscription.on_wake(self._woken)

    def _woken(self) -> None:
        self.wakes += 1

    def read(self) -> list[pb.Server]:
        """What is new. Raises RuleError where a proxy would refuse it."""
        messages = []
        try:
            while (raw := self.subscription.poll()) is not None:
                messages.append(self._reader.take(raw))
        except StreamEnd as end:
            self.ended = end.code is grpc.StatusCode.OK
        self._last = messages[-1] if messages else self._last
        return messages

    @property
    def told(self) -> pb.Server:
        """What is known now."""
        self.read()
        return self._last


class World:
    """A cluster, told to an index at once."""

    def __init__(self, **settings: Any) -> None:
        self.index = make_index(mesh(**settings))

    def put(self, kind: Kind, name: str, spec: Any = None, **more: Any) -> Any:
        """An object comes or changes."""
        made = item(kind, name, spec, **more)
        self.tell(kind, made)
        return made

    def tell(self, kind: Kind, made: Any) -> None:
        """An object comes or changes."""
        self.index.listener(kind)([Applied(made)])

    def pod(self, name: str = "web-0", *, containers: Any = (), **more: Any) -> Any:
        """A pod comes or changes."""
        return self.put(Kind.POD, name, {"containers": list(containers)}, **more)

    def server(self, name: str = "web", port: int | str = 8080, **more: Any) -> Any:
        """A Server of all pods of its namespace, unless it says otherwise, comes or changes."""
        meta = {key: more.pop(key) for key in ("labels", "created", "namespace") if key in more}
        return self.put(Kind.SERVER, name, {"podSelector": {}, "port": port} | more, **meta)

    def remove(self, kind: Kind, gone: Any) -> None:
        """An object goes."""
        self.index.listener(kind)([Deleted(gone)])

    def follow(
        self, port: int = 8080, name: str = "web-0", namespace: str = "fin", **more: Any
    ) -> Follower:
        """Follows a port of a pod, or of an ExternalWorkload if `is_external`."""
        token = WorkloadToken(namespace, name, **more)
        return Follower(self.index.watch_port(token, port))

    def told(self, port: int = 8080, name: str = "web-0", **more: Any) -> pb.Server:
        """What is told of a port now."""
        follower = self.follow(port, name, **more)
        told = follower.told
        follower.subscription.close()
        return told


def plain(message: Any) -> Any:
    """A message as a document, with its fields' own names."""
    return MessageToDict(message, preserving_proto_field_name=True)
