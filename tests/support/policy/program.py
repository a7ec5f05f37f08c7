"""The policy program beside a real API server, for tests: objects are written there as people and
kubelets would, and streams are read as proxies do."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc.aio

from linkerd.local.api import AdminApi
from linkerd.stubs.proxy import inbound_pb2, inbound_pb2_grpc, outbound_pb2, outbound_pb2_grpc
from linkerd.wire.net import tcp_address
from tests.support.eventually import eventually
from tests.support.policy.readers import PolicyReader, ServerReader
from tests.support.program import Program
from tests.support.rules import RuleError

_POLICY: Final = "policy.linkerd.io"
_GATEWAY: Final = "gateway.networking.k8s.io"
_KINDS: Final = {
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "serviceprofiles": ("linkerd.io/v1alpha2", "ServiceProfile"),
    "servers": (f"{_POLICY}/v1beta3", "Server"),
    "serverauthorizations": (f"{_POLICY}/v1beta1", "ServerAuthorization"),
    "authorizationpolicies": (f"{_POLICY}/v1alpha1", "AuthorizationPolicy"),
    "meshtlsauthentications": (f"{_POLICY}/v1alpha1", "MeshTLSAuthentication"),
    "networkauthentications": (f"{_POLICY}/v1alpha1", "NetworkAuthentication"),
    "httplocalratelimitpolicies": (f"{_POLICY}/v1alpha1", "HTTPLocalRateLimitPolicy"),
    "egressnetworks": (f"{_POLICY}/v1alpha1", "EgressNetwork"),
    "httproutes": (f"{_POLICY}/v1beta3", "HTTPRoute"),
    "gatewayhttproutes": (f"{_GATEWAY}/v1", "HTTPRoute"),
    "grpcroutes": (f"{_GATEWAY}/v1", "GRPCRoute"),
    "tlsroutes": (f"{_GATEWAY}/v1alpha2", "TLSRoute"),
    "tcproutes": (f"{_GATEWAY}/v1alpha2", "TCPRoute"),
    "externalworkloads": ("workload.linkerd.io/v1beta1", "ExternalWorkload"),
}


@dataclass
class Objects:
    """Writes objects of one namespace."""

    api: AdminApi
    namespace: str

    def create(self, plural: str, name: str, spec: Any, **metadata: Any) -> dict[str, Any]:
        """Makes an object; what the server made of it. A `gatewayhttproutes` is an HTTPRoute of the
        Gateway API."""
        version, kind = _KINDS[plural]
        body: dict[str, Any] = {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, **metadata},
        }
        body["spec"] = spec
        made: dict[str, Any] = self.api.request("POST", self._path(plural), body)
        return made

    def read(self, plural: str, name: str) -> dict[str, Any]:
        """An object as it is."""
        found: dict[str, Any] = self.api.request("GET", f"{self._path(plural)}/{name}")
        return found

    def list(self, plural: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        found: list[dict[str, Any]] = self.api.request("GET", self._path(plural))["items"]
        return found

    def change(self, plural: str, name: str, spec: Any) -> None:
        """Merges into a spec."""
        path = f"{self._path(plural)}/{name}"
        self.api.request("PATCH", path, {"spec": spec}, kind="merge-patch+json")

    def annotate(self, plural: str, name: str, annotations: Mapping[str, str]) -> None:
        """Adds annotations."""
        path, metadata = f"{self._path(plural)}/{name}", {"annotations": dict(annotations)}
        self.api.request("PATCH", path, {"metadata": metadata}, kind="merge-patch+json")

    def delete(self, plural: str, name: str) -> None:
        """Takes an object away, at once."""
        self.api.request("DELETE", f"{self._path(plural)}/{name}?gracePeriodSeconds=0")

    def accept(self, plural: str, name: str, *parents: dict[str, Any]) -> None:
        """Says in the status of a route what its controller would say."""
        condition = {
            "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        controller, own = "linkerd.io/policy-controller", {"namespace": self.namespace}
        entries = [
            {"parentRef": own | parent, "controllerName": controller, "conditions": [condition]}
            for parent in parents
        ]
        self.report(plural, name, {"parents": entries})

    def report(self, plural: str, name: str, status: dict[str, Any]) -> None:
        """Merges into a status."""
        path = f"{self._path(plural)}/{name}/status"
        self.api.request("PATCH", path, {"status": status}, kind="merge-patch+json")

    def pod(self, name: str, *ports: dict[str, Any], **metadata: Any) -> None:
        """A pod of the mesh, whose app has these ports."""
        labels: dict[str, str] = {"linkerd.io/control-plane-ns": "linkerd"}
        labels.update(metadata.pop("labels", {}))
        app = {"name": "app", "image": "app", "ports": list(ports)}
        self.create("pods", name, {"containers": [app]}, labels=labels, **metadata)

    def _path(self, plural: str) -> str:
        version, _ = _KINDS[plural]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        return f"{root}/namespaces/{self.namespace}/{plural.removeprefix('gateway')}"


@dataclass
class Stream:
    """A stream, and what a proxy makes of it, which has to be right by the proxy's rules."""

    call: Any
    reader: ServerReader | PolicyReader
    messages: list[Any] = field(default_factory=list)
    code: grpc.StatusCode | None = None
    failure: RuleError | None = None

    async def follow(self) -> None:
        """Reads to the end."""
        try:
            while (message := await self.call.read()) is not grpc.aio.EOF:
                self.reader.take(message.SerializeToString(deterministic=True))
                self.messages.append(message)
        except grpc.aio.AioRpcError:
            self.code = await self.call.code()
        except RuleError as error:
            self.failure = error
            self.call.cancel()
            raise
        else:
            self.code = await self.call.code()

    @property
    def told(self) -> Any:
        """The newest message; None before the first."""
        return self.messages[-1] if self.messages else None

    async def answered(self) -> None:
        """Waits for the first message, or for the end."""
        await eventually(lambda: self.told is not None or self.code is not None, "an answer")

    async def until(self, what: Any, description: str = "what is told") -> None:
        """Waits until `what` holds of the newest message. Raises what a proxy would find wrong."""
        await eventually(
            lambda: self.failure is not None or (self.told is not None and what(self.told)),
            description,
            30,
        )
        if self.failure is not None:
            raise self.failure

    async def ended(self) -> grpc.StatusCode:
        """Waits for the end; how it ended."""
        await eventually(lambda: self.code is not None, "the stream's end", 30)
        assert self.code is not None
        return self.code


@dataclass
class Client:
    """A proxy's connection."""

    inbound: "inbound_pb2_grpc.InboundServerPoliciesAsyncStub"
    outbound: "outbound_pb2_grpc.OutboundPoliciesAsyncStub"
    namespace: str
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def port(self, pod: str, port: int, *, namespace: str = "") -> Stream:
        """Follows a port of a pod."""
        token = json.dumps({"ns": namespace or self.namespace, "pod": pod})
        spec = inbound_pb2.PortSpec(workload=token, port=port)
        return self._follow(self.inbound.WatchPort(spec), ServerReader())

    async def known_port(self, pod: str, port: int) -> Stream:
        """The same, once the program knows the pod: as a proxy does, it asks again."""
        return await _known(lambda: self.port(pod, port))

    def service(self, name: str, port: int) -> Stream:
        """Follows the policy of a service's port, as one in the namespace who calls it by name."""
        authority = f"{name}.{self.namespace}.svc.cluster.local:{port}"
        return self._outbound(authority=authority)

    def address(self, ip: str, port: int) -> Stream:
        """The same by IP."""
        return self._outbound(addr=tcp_address(ip, port))

    async def known_address(self, ip: str, port: int) -> Stream:
        """The same, once the program knows what the IP is."""
        return await _known(lambda: self.address(ip, port))

    def _outbound(self, **target: Any) -> Stream:
        spec = outbound_pb2.TrafficSpec(source_workload=f"{self.namespace}:client", **target)
        return self._follow(self.outbound.Watch(spec), PolicyReader())

    def _follow(self, call: Any, reader: ServerReader | PolicyReader) -> Stream:
        stream = Stream(call, reader)
        self.tasks.append(asyncio.create_task(stream.follow()))
        return stream


async def _known(ask: Callable[[], Stream]) -> Stream:
    while True:
        stream = ask()
        await stream.answered()
        if stream.code is not grpc.StatusCode.NOT_FOUND:
            return stream
        await asyncio.sleep(0.01)


@asynccontextmanager
async def connect(program: Program, namespace: str) -> AsyncIterator[Client]:
    """A proxy in a namespace."""
    address = f"127.0.0.1:{program.port_of('serving')}"
    async with grpc.aio.insecure_channel(address) as channel:
        client = Client(
            inbound_pb2_grpc.InboundServerPoliciesStub(channel),
            outbound_pb2_grpc.OutboundPoliciesStub(channel),
            namespace,
        )
        yield client
    for result in await asyncio.gather(*client.tasks, return_exceptions=True):
        if isinstance(result, RuleError):
            raise result


def start(kubeconfig: Path, *flags: str) -> Program:
    """The program."""
    return Program(
        "services.policy",
        f"--kubeconfig={kubeconfig}",
        "--addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--default-opaque-ports=3306",
        "--log-format=json",
        *flags,
        fork=False,
    )
