"""The names that tools see: reflection of a running server, and protos/ as an import path."""

import json
import subprocess
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from linkerd.stubs.proxy import (
    destination_pb2_grpc,
    identity_pb2_grpc,
    inbound_pb2_grpc,
    outbound_pb2_grpc,
    tap_pb2_grpc,
)
from linkerd.stubs.viz import tap_pb2_grpc as viz_tap_pb2_grpc
from linkerd.stubs.viz import viz_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
SERVICES: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "wire-contract.json").read_text()
)["services"]


def tool(*command: str) -> str:
    """Run a program of this environment at the root of the repository."""
    program = Path(sysconfig.get_path("scripts")) / command[0]
    done = subprocess.run(
        [program, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server that reflects every service of the contract."""
    server = grpc.server(ThreadPoolExecutor(2))
    reflection.enable_server_reflection([*SERVICES, reflection.SERVICE_NAME], server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_reflection_lists_and_resolves_every_service(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == {*SERVICES, reflection.SERVICE_NAME}
        pool = DescriptorPool(database)
        for name, methods in SERVICES.items():
            service = pool.FindServiceByName(name)
            assert [method.name for method in service.methods] == list(methods)


def test_grpcurl_describes_a_service_by_reflection(address: str) -> None:
    name = "io.linkerd.proxy.destination.Destination"
    text = tool("grpcurl", "-plaintext", address, "describe", name)
    assert f"{name} is a service" in text
    assert "stream .io.linkerd.proxy.destination.Update" in text


def test_grpcurl_reads_protos_without_reflection() -> None:
    files = [path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto"))]
    options = [part for file in files for part in ("-proto", file)]
    listed = tool("grpcurl", "-import-path", str(PROTOS), *options, "list")
    assert listed.split() == sorted(SERVICES)


@pytest.mark.parametrize("command", [["lint"], ["format", "--diff", "--exit-code"]], ids=" ".join)
def test_protos_are_clean(command: list[str]) -> None:
    assert tool("buf", *command) == ""


def test_client_stubs_call_the_paths_of_the_contract() -> None:
    stubs = {
        "io.linkerd.proxy.destination.Destination": destination_pb2_grpc.DestinationStub,
        "io.linkerd.proxy.identity.Identity": identity_pb2_grpc.IdentityStub,
        "io.linkerd.proxy.inbound.InboundServerPolicies": (
            inbound_pb2_grpc.InboundServerPoliciesStub
        ),
        "io.linkerd.proxy.outbound.OutboundPolicies": outbound_pb2_grpc.OutboundPoliciesStub,
        "io.linkerd.proxy.tap.Tap": tap_pb2_grpc.TapStub,
        "linkerd2.tap.Tap": viz_tap_pb2_grpc.TapStub,
        "linkerd2.viz.Api": viz_pb2_grpc.ApiStub,
    }
    assert stubs.keys() == SERVICES.keys()
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        for name, stub in stubs.items():
            assert set(vars(stub(channel))) == set(SERVICES[name])
