"""The index: what clients may follow."""

from collections.abc import Callable
from typing import Final

from linkerd import index
from linkerd.index import Complaints, Pace
from linkerd.kube.objects import Key
from linkerd.mesh.workload_token import WorkloadToken
from linkerd.streams import Subscription
from services.policy.index.context import Context
from services.policy.index.inbound.answers import Encode
from services.policy.index.inbound.errors import UnknownWorkloadError
from services.policy.index.inbound.ports import Crowd, PortView
from services.policy.index.inbound.workloads import Workload
from services.policy.index.kinds import Kind
from services.policy.index.outbound.views import AddressView, Delta, OnCut, ServiceView
from services.policy.model.mesh_settings import MeshSettings
from services.policy.model.outbound import Metadata, ResourceName

_FAULT: Final = "object has a fault"
_SHOWN: Final = 100  # characters of a name, in a message to a client


class PolicyIndex(index.Index[Kind, Context]):
    """What clients may ask for, by what they ask with. `port` encodes what a port is told;
    `policies` makes what says how the step from one policy to the next is told."""

    def __init__(
        self,
        mesh: MeshSettings,
        *,
        port: Encode,
        policies: Callable[[OnCut], Delta],
        pace: Pace | None = None,
    ) -> None:
        super().__init__(Context(mesh, Complaints(message=_FAULT), port), pace)
        self._policy_delta = policies(self._complain_of_routes)

    def watch_port(self, token: WorkloadToken, port: int) -> Subscription:
        """Follows a port (1 to 65535) of a workload. Raises UnknownWorkloadError."""
        key = Key(token.namespace, token.name)
        member = self.home.objects.workloads.member(key, is_external=token.is_external)
        if member is None or member.workload is None:
            kind = Kind.EXTERNAL_WORKLOAD if token.is_external else Kind.POD
            name = f"{token.namespace[:_SHOWN]}/{token.name[:_SHOWN]}"
            raise UnknownWorkloadError(f"workload: no {kind.value} {name} in the mesh")
        return self._crowd().join(member, member.workload, port)

    def watch_address(self, source: str, ip: str, port: int) -> Subscription:
        """Follows the policy of traffic to an IP (canonical) and port, for a client in the
        namespace `source`. Raises UnknownTargetError."""
        view = self.view(
            (AddressView, source, ip, port),
            lambda: AddressView(self.home, self, self._policy_delta, source, ip, port),
        )
        return view.subscribe()

    def watch_service(self, source: str, service: Key, port: int) -> Subscription:
        """Follows the policy of traffic to a port of a Service, which need not exist, for a client
        in the namespace `source`."""
        view = self.view(
            (ServiceView, source, *service, port),
            lambda: ServiceView(self.home, self, self._policy_delta, source, service, port),
        )
        return view.subscribe()

    def _complain_of_routes(self, parent: Metadata) -> None:
        if isinstance(parent, ResourceName):
            part, problem = (
                f"port {parent.port}",
                "no message holds its routes: the newest are left out",
            )
            complaints = self.home.complaints
            complaints.about(parent.kind, parent.namespace, parent.name, part, problem)

    def _crowd(self) -> Crowd:
        return self.view(
            (Crowd,),
            lambda: Crowd(
                self.home.dependencies, self, self.home.objects.workloads, self._port_view
            ),
        )

    def _port_view(self, workload: Workload, port: int) -> PortView:
        return self.view(
            (PortView, workload, port), lambda: PortView(self.home, self, workload, port)
        )
