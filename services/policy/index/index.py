"""The index: what clients may follow."""

from linkerd import index
from linkerd.index import Complaints, Pace, Subject
from linkerd.kube.objects import Key
from linkerd.mesh.workload_token import WorkloadToken
from linkerd.streams import Subscription
from services.policy.index.context import Context
from services.policy.index.inbound import subjects as on
from services.policy.index.inbound.answers import Encode
from services.policy.index.inbound.errors import UnknownWorkloadError
from services.policy.index.inbound.ports import Crowd, PortView
from services.policy.index.inbound.workloads import Workload
from services.policy.index.kinds import Kind
from services.policy.model.mesh_settings import MeshSettings

_SHOWN = 100  # characters of a name, in a message to a client


class PolicyIndex(index.Index[Kind, Context]):
    """What clients may ask for, by what they ask with. `port` encodes what a port is told."""

    def __init__(self, mesh: MeshSettings, *, port: Encode, pace: Pace | None = None) -> None:
        super().__init__(Context(mesh, Complaints(), port), pace)

    def watch_port(self, token: WorkloadToken, port: int) -> Subscription:
        """Follows a port (1 to 65535) of a workload. Raises UnknownWorkloadError."""
        kind = Kind.EXTERNAL_WORKLOAD if token.is_external else Kind.POD
        member = on.member(kind.value, token.namespace, token.name)
        workload = self._workload(member)
        if workload is None:
            name = f"{token.namespace[:_SHOWN]}/{token.name[:_SHOWN]}"
            raise UnknownWorkloadError(f"workload: no {kind.value} {name} in the mesh")
        return self._crowd().join(member, workload, port)

    def _crowd(self) -> Crowd:
        return self.view(
            (Crowd,),
            lambda: Crowd(self.home.dependencies, self, self._workload, self._port_view),
        )

    def _port_view(self, workload: Workload, port: int) -> PortView:
        return self.view(
            (PortView, workload, port), lambda: PortView(self.home, self, workload, port)
        )

    def _workload(self, member: Subject) -> Workload | None:
        kind, *name = member
        is_external = kind == Kind.EXTERNAL_WORKLOAD.value
        return self.home.objects.workloads.member(Key(*name), is_external=is_external)
