"""The program against a real API server: what is written there is what proxies hear. Ids of the
catalogue: T3, T23, T26, T28, T199 in small, N25, N27."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

import services.destination
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.local.programs import find_program
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import destination_pb2_grpc
from linkerd.testing.cut import CutProxy, api_server_of, kubeconfig_through
from linkerd.testing.eventually import eventually
from linkerd.testing.program import Program
from linkerd.testing.proxy_rules import Endpoints, ProfileReader

pytestmark = pytest.mark.integration

SOON = 1.0
"""Seconds within which a change must be heard."""

PROXY = {
    "name": "linkerd-proxy",
    "image": "proxy",
    "env": [
        {"name": f"LINKERD2_PROXY_{name}_LISTEN_ADDR", "value": f"0.0.0.0:{port}"}
        for name, port in (("INBOUND", 4143), ("ADMIN", 4191), ("CONTROL", 4190))
    ],
}


PROFILE = """
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: ledger.fin.svc.cluster.local, namespace: fin}
spec: {routes: [{name: list, condition: {pathRegex: /v1/items}}]}
"""

ROOT = Path(services.destination.__file__).parents[2]


@dataclass
class Objects:
    """Writes objects of one namespace, as controllers and kubelets would."""

    api: AdminApi
    namespace: str

    def service(self, name: str, **more: Any) -> dict[str, Any]:
        spec = {"ports": [{"name": "http", "port": 8080}], **more.pop("spec", {})}
        return self.create("services", {"metadata": {"name": name, **more}, "spec": spec})

    def pod(self, name: str, ip: str, *, phase: str = "Running", **metadata: Any) -> None:
        metadata.setdefault("labels", {"linkerd.io/control-plane-ns": "linkerd"})
        spec = {"containers": [{"name": "app", "image": "app"}, PROXY], "nodeName": "n1"}
        self.create("pods", {"metadata": {"name": name, **metadata}, "spec": spec})
        self.pod_status(name, ip, phase)

    def pod_status(self, name: str, ip: str, phase: str) -> None:
        status = {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}]} if ip else {"phase": phase}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/status"
        self.api.request("PATCH", path, {"status": status}, kind="merge-patch+json")

    def slice(self, name: str, service: str, ips: list[str], ports: Any = None) -> None:
        """Makes the slice hold the pods that are called by their IPs' last parts."""
        endpoints = [
            {
                "addresses": [ip],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod_name(ip), "namespace": self.namespace},
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

    def create(self, plural: str, manifest: dict[str, Any]) -> dict[str, Any]:
        path = f"/api/v1/namespaces/{self.namespace}/{plural}"
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

    def get(self, path: str) -> Stream:
        stream = Stream(self.stub.Get(pb.GetDestination(path=path)))
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


@pytest.fixture(scope="module")
def program(api_cluster: LocalCluster) -> Iterator[Program]:
    """One program for all tests that do it no harm."""
    with start(api_cluster.kubeconfig) as running:
        running.event("ready")
        yield running


@pytest.fixture
async def client(program: Program) -> AsyncIterator[Client]:
    async with connect(program) as connected:
        yield connected


@pytest.fixture
def objects(api_cluster: LocalCluster, namespace: str) -> Iterator[Objects]:
    with api_cluster.api() as api:
        yield Objects(api, namespace)


class TestEndpoints:
    async def test_t3_a_change_is_one_message_within_a_second(
        self, client: Client, objects: Objects
    ) -> None:
        stream = client.get(await known(client, objects.ledger("10.4.0.7")))
        await stream.until("10.4.0.7")
        assert len(stream.messages) == 1
        (address,) = stream.messages[0][1].add.addrs
        assert address.protocol_hint.opaque_transport.inbound_port == 4143
        assert address.tls_identity.server_name.name == (
            f"default.{objects.namespace}.serviceaccount.identity.linkerd.cluster.local"
        )

        objects.pod("p8", "10.4.0.8")
        began = time.monotonic()
        objects.slice("ledger-1", "ledger", ["10.4.0.7", "10.4.0.8"])
        await stream.until("10.4.0.7", "10.4.0.8")
        came, update = stream.messages[1]
        assert [item.metric_labels["pod"] for item in update.add.addrs] == ["p8"]
        assert came - began < SOON

        began = time.monotonic()
        objects.slice("ledger-1", "ledger", ["10.4.0.8"])
        await stream.until("10.4.0.8")
        came, update = stream.messages[2]
        assert update.WhichOneof("update") == "remove"
        assert came - began < SOON
        assert len(stream.messages) == 3

    async def test_others_hear_nothing(self, client: Client, objects: Objects) -> None:
        mine = client.get(await known(client, objects.ledger("10.4.0.7")))
        await mine.until("10.4.0.7")
        objects.service("other")
        authority = await known(client, f"other.{objects.namespace}.svc.cluster.local:8080")
        other = client.get(authority)
        for number in range(20):
            ips = [f"10.4.1.{last}" for last in range(1, 2 + number % 3)]
            objects.slice("other-1", "other", ips, ports=[{"name": "http", "port": 8080}])
            objects.slice("ledger-1", "ledger", ["10.4.0.7"])  # the same again
        objects.slice("bare", "other", [])
        objects.pod("p1", "10.4.1.1")
        await other.until("10.4.1.1")
        assert len(mine.messages) == 1

    async def test_malformed_objects_are_reported_once_and_disturb_nobody(
        self, program: Program, client: Client, objects: Objects
    ) -> None:
        authority = await known(client, objects.ledger("10.4.0.7"))
        odd = {"config.linkerd.io/opaque-ports": "banana"}
        objects.pod("p9", "", annotations=odd)
        objects.slice("no-ports", "ledger", ["10.4.0.7"], ports=[])
        objects.slice("ledger-2", "ledger", ["10.4.0.9"])
        stream = client.get(authority)
        await stream.until("10.4.0.7", "10.4.0.9")
        objects.pod_status("p9", "10.4.0.9", "Running")
        for number in range(3):  # nothing that matters about these objects changes
            objects.slice("ledger-2", "ledger", ["10.4.0.9"], ports=[http(number)])
        objects.slice("no-ports", "ledger", [], ports=[])
        objects.slice("ledger-1", "ledger", [])
        await stream.until("10.4.0.9")
        said = [
            (entry["name"], entry["error"])
            for entry in program.entries
            if entry["event"] == "object is malformed" and entry["namespace"] == objects.namespace
        ]
        assert sorted(name for name, _ in said) == ["no-ports", "p9"]

    async def test_a_service_without_endpoints_and_none(
        self, client: Client, objects: Objects
    ) -> None:
        objects.service("empty")
        authority = await known(client, f"empty.{objects.namespace}.svc.cluster.local:8080")
        stream = client.get(authority)
        await eventually(lambda: stream.messages, "the first message")
        assert stream.messages[0][1].no_endpoints.exists


def http(number: int) -> dict[str, Any]:
    return {"name": "http", "port": 8080, "appProtocol": f"x{number}"}


async def known(client: Client, authority: str) -> str:
    """The authority, once the program knows the service; as a proxy does, it asks again."""

    async def ask() -> bool:
        call = client.stub.Get(pb.GetDestination(path=authority))
        try:
            await call.read()
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND  # noqa: PT017  # else it goes on
            return False
        call.cancel()
        return True

    async with asyncio.timeout(10):
        while True:
            if await ask():
                return authority
            await asyncio.sleep(0.01)


class TestProfiles:
    async def test_t23_a_service_by_its_ip(self, client: Client, objects: Objects) -> None:
        made = objects.service("ledger")
        await known(client, f"ledger.{objects.namespace}.svc.cluster.local:8080")
        profile = await anext(client.profiles(f"{made['spec']['clusterIP']}:8080"))
        assert profile.fully_qualified_name == f"ledger.{objects.namespace}.svc.cluster.local"
        undeclared = await anext(client.profiles(f"{made['spec']['clusterIP']}:9"))
        assert undeclared == pb.DestinationProfile()

    async def test_t26_t28_a_pod_that_starts_and_goes(
        self, client: Client, objects: Objects
    ) -> None:
        objects.pod("p20", "10.4.9.20", phase="Pending")
        profiles = client.profiles("10.4.9.20:5000")
        first = await anext(profiles)
        if not first.HasField("endpoint"):  # the pod was not known yet
            first = await anext(profiles)
        assert not first.endpoint.HasField("tls_identity")
        objects.pod_status("p20", "10.4.9.20", "Running")
        running = await anext(profiles)
        assert running.endpoint.metric_labels["pod"] == "p20"
        assert running.endpoint.HasField("tls_identity")
        path = f"/api/v1/namespaces/{objects.namespace}/pods/p20?gracePeriodSeconds=0"
        objects.api.request("DELETE", path)
        assert not (await anext(profiles)).HasField("endpoint")


class TestServiceProfiles:
    async def test_t20_routes_of_a_service(self, own_api_cluster: LocalCluster) -> None:
        """With the definition that we install; the other tests go without it."""
        definition = ROOT / "deploy/base/crds/serviceprofiles.yaml"
        own_api_cluster.kubectl("apply", "-f", str(definition))
        own_api_cluster.kubectl("wait", "--for=condition=Established", "-f", str(definition))
        own_api_cluster.kubectl("create", "namespace", "fin")
        with own_api_cluster.api() as api:
            authority = Objects(api, "fin").ledger()
        with start(own_api_cluster.kubeconfig) as program:
            await asyncio.to_thread(program.event, "ready")
            async with connect(program) as client:
                profiles = client.profiles(authority)
                assert not (await anext(profiles)).routes
                own_api_cluster.kubectl("apply", "-f", "-", stdin=PROFILE)
                (route,) = (await anext(profiles)).routes
                assert route.metrics_labels["route"] == "list"
                assert route.condition.path.regex == "/v1/items"


class TestTrouble:
    async def test_the_api_server_is_out_of_reach(
        self, api_cluster: LocalCluster, objects: Objects, tmp_path: Path
    ) -> None:
        """No stream ends, nothing is removed, new streams hear the last known state; and
        afterwards what happened meanwhile comes, without anything told twice."""
        authority = objects.ledger("10.4.0.7", "10.4.0.8")
        async with CutProxy(*api_server_of(api_cluster.kubeconfig)) as wire:
            kubeconfig = kubeconfig_through(api_cluster.kubeconfig, wire, tmp_path)
            with start(kubeconfig) as program:
                await asyncio.to_thread(program.event, "ready")
                async with connect(program) as client:
                    stream = client.get(authority)
                    await stream.until("10.4.0.7", "10.4.0.8")
                    await wire.cut()
                    lost = "out of touch with the API server; the last known state stays in use"
                    await asyncio.to_thread(program.event, lost, resource="endpointslices")
                    objects.slice("ledger-1", "ledger", ["10.4.0.8"])
                    late = client.get(authority)
                    await late.until("10.4.0.7", "10.4.0.8")
                    assert len(stream.messages) == 1
                    wire.heal()
                    await stream.until("10.4.0.8")
                    await late.until("10.4.0.8")
                    for each in (stream, late):
                        kinds = [update.WhichOneof("update") for _, update in each.messages]
                        assert kinds == ["add", "remove"]
                        assert each.code is None

    async def test_n27_the_api_server_is_killed_and_comes_back(
        self, own_api_cluster: LocalCluster
    ) -> None:
        with own_api_cluster.api() as api:
            api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "fin"}})
            authority = Objects(api, "fin").ledger("10.4.0.7", "10.4.0.8")
        with start(own_api_cluster.kubeconfig) as program:
            await asyncio.to_thread(program.event, "ready")
            async with connect(program) as client:
                stream = client.get(authority)
                await stream.until("10.4.0.7", "10.4.0.8")
                await asyncio.to_thread(own_api_cluster.stop, "kube-apiserver")
                lost = "out of touch with the API server; the last known state stays in use"
                await asyncio.to_thread(program.event, lost, resource="pods")
                await client.get(authority).until("10.4.0.7", "10.4.0.8")
                await asyncio.to_thread(own_api_cluster.start, "kube-apiserver")
                with own_api_cluster.api() as api:
                    Objects(api, "fin").slice("ledger-1", "ledger", ["10.4.0.8"])
                await stream.until("10.4.0.8")
                kinds = [update.WhichOneof("update") for _, update in stream.messages]
                assert kinds == ["add", "remove"]

    async def test_n25_it_is_asked_to_end_with_streams_open(
        self, api_cluster: LocalCluster, objects: Objects
    ) -> None:
        authority = objects.ledger("10.4.0.7")
        with start(api_cluster.kubeconfig) as program:
            await asyncio.to_thread(program.event, "ready")
            async with connect(program) as client:
                streams = [client.get(authority) for _ in range(50)]
                for stream in streams:
                    await stream.until("10.4.0.7")
                assert await asyncio.to_thread(program.terminate) == 0, program.log
                await asyncio.gather(*client.tasks)
                assert {stream.code for stream in streams} == {grpc.StatusCode.OK}
        said = [entry["event"] for entry in program.entries]
        assert said.index("not ready") < said.index("stopped")
        assert "Traceback" not in program.log


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_the_manuals_example(api_cluster: LocalCluster, namespace: str, tmp_path: Path) -> None:
    """Runs every command of README.md, in another namespace and on other ports."""
    manual = (ROOT / "services/destination/README.md").read_text()
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", manual, re.MULTILINE | re.DOTALL))
    for shown, used in {
        "127.0.0.1:8086": f"127.0.0.1:{free_port()}",
        "127.0.0.1:9996": f"127.0.0.1:{free_port()}",
        "--namespace=shop": f"--namespace={namespace}",
        "ledger.shop.": f"ledger.{namespace}.",
    }.items():
        assert shown in script
        script = script.replace(shown, used)
    kubectl = find_program("kubectl")
    assert kubectl is not None
    programs = ":".join(map(str, (Path(sys.executable).parent, kubectl.parent, "/usr/bin:/bin")))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p)' EXIT\n{script}"],
        cwd=tmp_path,
        env={
            "PATH": programs,
            "KUBECONFIG": str(api_cluster.kubeconfig),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = f"{namespace}   192.0.2.7   8080         ledger.{namespace}"
    assert table in done.stdout, done.stdout + done.stderr
    assert '"ipv4": 3221225991' in done.stdout
    assert f'"fully_qualified_name": "ledger.{namespace}.svc.cluster.local"' in done.stdout
