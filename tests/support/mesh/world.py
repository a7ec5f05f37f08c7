"""A mesh on one machine: the control plane beside a real API server, and hosts that are its pods.

What kubelets and controllers would write is written by tests: Pods, EndpointSlices. The services of
the control plane share a host, behind a proxy of their own, as they do in a cluster's pods.
"""

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import yaml

from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.control_plane import DESTINATION_PORT, POLICY_PORT
from linkerd.mesh.names import IdentityDomain
from linkerd.stubs.proxy.destination_pb2 import DestinationProfile, GetDestination
from linkerd.stubs.proxy.destination_pb2_grpc import DestinationStub
from linkerd.stubs.proxy.outbound_pb2 import TrafficSpec
from linkerd.stubs.proxy.outbound_pb2_grpc import OutboundPoliciesStub
from linkerd.wire.net import tcp_address
from tests.support.certificates import Credentials
from tests.support.destination.program import PROXY
from tests.support.mesh.background import Background
from tests.support.mesh.calls import grpc_channel
from tests.support.mesh.hosts import Host, Network
from tests.support.mesh.proxies import ControlPlane, Proxy, Workload
from tests.support.namespaces import fresh_namespace
from tests.support.program import Program

APP_PORTS: Final = range(8001, 8101)

# One renews its certificate all the time.
_OWN: Final = {
    "web-3": {
        "LINKERD2_PROXY_IDENTITY_MIN_REFRESH": "1s",
        "LINKERD2_PROXY_IDENTITY_MAX_REFRESH": "2s",
    }
}
_AUDIENCE: Final = "identity.l5d.io"


@dataclass(frozen=True)
class Service:
    """Its cluster IP and port, and the name that clients call it by."""

    name: str
    ip: str
    port: int
    authority: str


@dataclass(frozen=True)
class Address:
    """An address, called by itself."""

    ip: str
    port: int

    @property
    def authority(self) -> str:
        """`IP:PORT`."""
        return f"{self.ip}:{self.port}"


@dataclass
class Pod:
    """A host with a Pod object; `proxy` is there if it is meshed."""

    name: str
    host: Host
    account: str
    identity: str
    running: Proxy | None = None

    @property
    def proxy(self) -> Proxy:
        """Of a meshed pod."""
        assert self.running is not None, self.name
        return self.running

    def at(self, port: int) -> Address:
        """A port of the pod itself."""
        return Address(self.host.ip, port)


@dataclass
class World:
    """What all tests share. `outside` is a host beyond the cluster's networks."""

    api: AdminApi
    namespace: str
    background: Background
    anchors: str
    pods: dict[str, Pod]
    outside: Host
    destination: DestinationStub
    policy: OutboundPoliciesStub
    ports: Iterator[int] = field(default_factory=lambda: iter(APP_PORTS))
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __getitem__(self, name: str) -> Pod:
        return self.pods[name]

    def knows(self, ip: str, port: int) -> bool:
        """Whether the control plane has heard of a cluster IP. A proxy that asks before takes it
        for an address like any other, for as long as it is in use."""
        spec = TrafficSpec(source_workload=f"{self.namespace}:client", addr=tcp_address(ip, port))
        try:
            self.policy.Get(spec, timeout=10)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return False
            raise
        return self.profile(ip, port).fully_qualified_name != ""

    def profile(self, ip: str, port: int) -> DestinationProfile:
        """What a proxy that asks now is told of an address."""
        asked = GetDestination(path=f"{ip}:{port}")
        profiles: Any = self.destination.GetProfile(asked, timeout=10)
        told: DestinationProfile = next(profiles)
        profiles.cancel()
        return told


@contextmanager
def running_world(cluster: LocalCluster, folder: Path, program: str) -> Iterator[World]:
    """The mesh, ready; it ends with the context."""
    with ExitStack() as stack:
        api = stack.enter_context(cluster.api())
        namespace = stack.enter_context(fresh_namespace(api, prefix="mesh"))
        network = stack.enter_context(Network())
        background = stack.enter_context(Background())
        # The control plane's namespace is the mesh's own too, so that its Lease is.
        domain = IdentityDomain(namespace, "cluster.local")
        builder = _Builder(api, domain, network, folder, program)
        credentials = Credentials.make(domain)
        control = builder.pod("control", 2, account="linkerd-destination")
        plane = ControlPlane(
            control.host.ip, control.identity, credentials.anchor.certificate_pem.decode()
        )
        clients = [builder.pod(name, 10 + n) for n, name in enumerate(("client", "other"))]
        servers = [builder.pod(f"web-{n}", 20 + n, account="web") for n in range(1, 4)]
        plain = builder.pod("plain", 30, meshed=False)
        outside = network.host("outside", "198.51.100.7")
        services = _Services(domain, background, control.host, cluster.kubeconfig)
        services.start(stack, folder, credentials)
        for pod in (control, *clients, *servers):
            pod.running = builder.proxy(pod, plane, **_OWN.get(pod.name, {}))
            stack.callback(pod.proxy.stop)
        for pod in (control, *clients, *servers):
            pod.proxy.wait_ready()
        pods = {pod.name: pod for pod in (control, *clients, *servers, plain)}
        destination, policy = (
            stack.enter_context(grpc_channel(background, control.host, control.at(port)))
            for port in (DESTINATION_PORT, POLICY_PORT)
        )
        yield World(
            api, namespace, background, plane.anchors, pods, outside,
            DestinationStub(destination), OutboundPoliciesStub(policy),
        )  # fmt: skip


@dataclass
class _Builder:
    api: AdminApi
    domain: IdentityDomain
    network: Network
    folder: Path
    program: str
    accounts: set[str] = field(default_factory=set)

    @property
    def namespace(self) -> str:
        """Of pods and control plane alike."""
        return self.domain.controller_namespace

    def pod(self, name: str, number: int, *, account: str = "", meshed: bool = True) -> Pod:
        """A host, its Pod and its ServiceAccount. `number` is the last part of its IP; the rest is
        this process's, for an address is a pod's only if no other pod of the cluster has it."""
        own = os.getpid()
        ip = f"10.{200 + own % 50}.{own // 50 % 250}.{number}"
        account = account or name
        core = f"/api/v1/namespaces/{self.namespace}"
        if account not in self.accounts:
            self.accounts.add(account)
            self.api.request("POST", f"{core}/serviceaccounts", {"metadata": {"name": account}})
        ports = [{"name": f"p{port}", "containerPort": port} for port in APP_PORTS]
        app = {"name": "app", "image": "app", "ports": ports}
        labels = {"app": account, "pod": name}
        if meshed:
            labels["linkerd.io/control-plane-ns"] = self.namespace
        manifest = {
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "containers": [app, PROXY] if meshed else [app],
                "serviceAccountName": account,
                "nodeName": "n1",
            },
        }
        self.api.request("POST", f"{core}/pods", manifest)
        ready = {"type": "Ready", "status": "True"}
        status = {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [ready],
        }  # fmt: skip
        path = f"{core}/pods/{name}/status"
        self.api.request("PATCH", path, {"status": status}, kind="merge-patch+json")
        host = self.network.host(name, ip)
        if meshed:
            host.redirect()
        return Pod(name, host, account, self.domain.workload(account, self.namespace))

    def proxy(self, pod: Pod, plane: ControlPlane, **environment: str) -> Proxy:
        """Starts the proxy of a pod."""
        folder = self.folder / pod.name
        folder.mkdir()
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{pod.account}/token"
        review = {"spec": {"audiences": [_AUDIENCE], "expirationSeconds": 86400}}
        token = self.api.request("POST", path, review)["status"]["token"]
        workload = Workload(self.namespace, pod.name, pod.identity, token, APP_PORTS)
        return Proxy(self.program, pod.host, workload, plane, folder, environment)


@dataclass
class _Services:
    domain: IdentityDomain
    background: Background
    host: Host
    kubeconfig: Path

    def start(self, stack: ExitStack, folder: Path, credentials: Credentials) -> None:
        """Identity, destination and policy serve on the host."""
        self._join_api_server()
        issuer, bundle = credentials.write(folder)
        with self.host.entered():
            programs = [
                stack.enter_context(
                    Program(
                        f"services.{name}",
                        f"--kubeconfig={self.kubeconfig}",
                        "--log-format=json",
                        *flags,
                        fork=False,
                    )
                )
                for name, flags in self._flags(issuer, bundle).items()
            ]
        for program in programs:
            program.event("serving")

    def _flags(self, issuer: Path, bundle: Path) -> dict[str, list[str]]:
        namespace, domain = self.domain.controller_namespace, self.domain.trust_domain
        return {
            "identity": [
                "--addr=:8080", "--admin-addr=:9990", f"--controller-namespace={namespace}",
                f"--identity-trust-domain={domain}", "--identity-scheme=linkerd.io/tls",
                f"--issuer={issuer}", f"--trust-anchors={bundle}",
            ],
            "destination": [
                "--addr=:8086", "--admin-addr=:9996", f"--controller-namespace={namespace}",
                f"--cluster-domain={domain}", f"--identity-trust-domain={domain}",
                "--outbound-transport-mode=transport-header",
            ],
            "policy": [
                "--addr=:8090", "--admin-addr=:9991", f"--control-plane-namespace={namespace}",
                f"--cluster-domain={domain}", f"--identity-domain={domain}",
                "--default-opaque-ports=3306", "--default-policy=all-unauthenticated",
            ],
        }  # fmt: skip

    def _join_api_server(self) -> None:
        """Has the host reach the API server at the address that the kubeconfig has."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        server = urlsplit(config["clusters"][0]["cluster"]["server"])
        assert server.hostname is not None
        assert server.port is not None
        there = server.hostname, server.port
        listening = self.host.listen(server.port, ip=server.hostname)
        self.background.relay(listening, _unconnected, there)


def _unconnected() -> socket.socket:
    return socket.socket()
