"""The program beside a real API server, for tests: objects are written there as controllers and
kubelets would, and streams are read as proxies do."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc.aio

from linkerd.local.api import AdminApi
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc
from tests.support.eventually import eventually
from tests.support.program import Program
from tests.support.proxy_rules import Endpoints, ProfileReader

PROXY: Final[dict[str, Any]] = {
    "name": "linkerd-proxy",
    "image": "proxy",
    "env": [
        {"name": f"LINKERD2_PROXY_{name}_LISTEN_ADDR", "value": f"0.0.0.0:{port}"}
        for name, port in (("INBOUND", 4143), ("ADMIN", 4191), ("CONTROL", 4190))
    ],
}


ROOT: Final = Path(__file__).parents[3]
"""Of the repository."""


@dataclass
class Objects:
    """Writes objects of one namespace, as controllers and kubelets would."""

    api: AdminApi
    namespace: str

    def service(self, name: str, **more: Any) -> dict[str, Any]:
        """A service with a port `http`, 8080; what the server made of it."""
        spec = {"ports": [{"name": "http", "port": 8080}], **more.pop("spec", {})}
        return self.create("services", {"metadata": {"name": name, **more}, "spec": spec})

    def pod(
        self,
        name: str,
        ip: str,
        *,
        phase: str = "Running",
        ports: Sequence[dict[str, Any]] = (),
        node_ip: str = "",
        **metadata: Any,
    ) -> None:
        """A meshed pod."""
        metadata.setdefault("labels", {"linkerd.io/control-plane-ns": "linkerd"})
        app = {"name": "app", "image": "app", "ports": list(ports)}
        spec = {"containers": [app, PROXY], "nodeName": "n1"}
        self.create("pods", {"metadata": {"name": name, **metadata}, "spec": spec})
        self.pod_status(name, ip, phase, node_ip)

    def pod_status(self, name: str, ip: str, phase: str, node_ip: str = "") -> None:
        """What a kubelet says of a pod."""
        status: dict[str, Any] = {"phase": phase}
        if ip:
            status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
        if node_ip:
            status |= {"hostIP": node_ip, "hostIPs": [{"ip": node_ip}]}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/status"
        self.api.request("PATCH", path, {"status": status}, kind="merge-patch+json")

    def slice(
        self,
        name: str,
        service: str,
        ips: list[str],
        ports: Any = None,
        *,
        kind: str = "Pod",
        zones: dict[str, str] | None = None,
    ) -> None:
        """Makes the slice hold the pods (or others) that are called by their IPs' last parts.
        `zones` are hints, by IP."""
        endpoints = [
            {
                "addresses": [ip],
                "conditions": {"ready": True},
                "targetRef": {"kind": kind, "name": pod_name(ip), "namespace": self.namespace},
                "hints": {"forZones": [{"name": zones[ip]}]} if zones else None,
            }
            for ip in ips
        ]
        manifest = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "http", "port": 8080}] if ports is None else ports,
        }
        group = f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"
        self.api.apply(f"{group}/{name}", manifest)

    def create(
        self, plural: str, manifest: dict[str, Any], *, group: str = "/api/v1"
    ) -> dict[str, Any]:
        """Makes any object of the namespace; `group` is the path of the API's group and version."""
        path = f"{group}/namespaces/{self.namespace}/{plural}"
        made: dict[str, Any] = self.api.request("POST", path, manifest)
        return made

    def ledger(self, *ips: str) -> str:
        """A service with pods; the authority of its port."""
        self.service("ledger")
        for ip in ips:
            self.pod(pod_name(ip), ip)
        self.slice("ledger-1", "ledger", list(ips))
        return f"ledger.{self.namespace}.svc.cluster.local:8080"


def pod_name(ip: str) -> str:
    return f"p{ip.rpartition('.')[2]}"


@dataclass
class Stream:
    """A `Get` stream, its messages with the time when they came, and the proxy's view."""

    call: Any
    reader: Endpoints = field(default_factory=Endpoints)
    messages: list[tuple[float, pb.Update]] = field(default_factory=list)
    code: grpc.StatusCode | None = None

    async def follow(self) -> None:
        while (message := await self.call.read()) is not grpc.aio.EOF:
            self.messages.append((time.monotonic(), message))
            self.reader.take(message.SerializeToString())
        self.code = await self.call.code()

    @property
    def ips(self) -> set[str]:
        return {ip for ip, _ in self.reader.known}

    async def until(self, *ips: str) -> None:
        await eventually(lambda: self.ips == set(ips), f"{self.ips} being {ips}", 30)


@dataclass
class Client:
    """A proxy's connection."""

    stub: "destination_pb2_grpc.DestinationAsyncStub"
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def get(self, path: str, node: str = "") -> Stream:
        """Follows endpoints, as a proxy on that node."""
        token = json.dumps({"nodeName": node}) if node else ""
        stream = Stream(self.stub.Get(pb.GetDestination(path=path, context_token=token)))
        self.tasks.append(asyncio.create_task(stream.follow()))
        return stream

    async def profiles(self, path: str) -> AsyncIterator[pb.DestinationProfile]:
        reader = ProfileReader()
        call = self.stub.GetProfile(pb.GetDestination(path=path))
        while True:
            async with asyncio.timeout(10):
                message: Any = await call.read()
            yield reader.take(message.SerializeToString())


@asynccontextmanager
async def connect(program: Program) -> AsyncIterator[Client]:
    address = f"127.0.0.1:{program.port_of('serving')}"
    async with grpc.aio.insecure_channel(address) as channel:
        client = Client(destination_pb2_grpc.DestinationStub(channel))
        yield client
    await asyncio.gather(*client.tasks, return_exceptions=True)


def start(kubeconfig: Path, *flags: str) -> Program:
    return Program(
        "services.destination",
        f"--kubeconfig={kubeconfig}",
        "--addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--outbound-transport-mode=transport-header",
        "--log-format=json",
        *flags,
    )


async def known(client: Client, authority: str) -> str:
    """The authority, once the program knows the service; as a proxy does, it asks again."""

    async def ask() -> bool:
        call = client.stub.Get(pb.GetDestination(path=authority))
        try:
            await call.read()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return False
        call.cancel()
        return True

    async with asyncio.timeout(10):
        while True:
            if await ask():
                return authority
            await asyncio.sleep(0.01)
