"""`linkerd diagnostics`, against a destination service of the test's own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from linkerd.cli.main import cli
from linkerd.rpc.grpcio.server import GrpcServer
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from services.destination.index import Kind
from services.destination.server import Destination
from tests.support.canned_api import answering, kubeconfig
from tests.support.destination.world import DOMAIN, World
from tests.support.forked import Done, Forks, forked_linkerd
from tests.support.objects import endpoint, endpoint_slice, node, pod, service

LEDGER = "ledger.fin.svc.mesh.test:8080"
OTHER = "other.fin.svc.mesh.test:8080"


async def answer_of(forks: Forks, *arguments: str) -> Done:
    """`linkerd diagnostics`, as a process of its own: grpc.aio serves one thread of a process."""
    return await asyncio.to_thread(forks.start("diagnostics", *arguments).done)


async def start(*arguments: str) -> asyncio.subprocess.Process:
    """The same, with pipes, for what is said by and by."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "linkerd.cli.main", "diagnostics", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@dataclass
class Backend:
    """A destination service, and the world that it knows."""

    world: World
    port: int
    server: GrpcServer
    forks: Forks

    @property
    def flag(self) -> str:
        return f"--destination-addr=127.0.0.1:{self.port}"

    async def run(self, *arguments: str) -> Done:
        return await answer_of(self.forks, *arguments, self.flag)

    @asynccontextmanager
    async def watch(self, *arguments: str) -> AsyncIterator["Watch"]:
        process = await start(*arguments, "--watch", self.flag)
        yield Watch(process)
        if process.returncode is None:
            process.terminate()
        await process.communicate()


@dataclass
class Watch:
    """A command that goes on."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    with forked_linkerd(tmp_path) as forks:
        yield forks


@pytest.fixture
async def backend(forks: Forks) -> AsyncIterator[Backend]:
    world = World()
    populate(world)
    server = GrpcServer(
        HostPort("127.0.0.1", 0),
        [Destination(world.index, DOMAIN).table()],
        readiness=Readiness(),
        registry=registry(),
    )
    yield Backend(world, await server.start(), server, forks)
    await server.stop(0)


def populate(world: World) -> None:
    world.apply(service("ledger"), service("other"), service("empty"))
    world.apply(pod("a", "fin", "10.4.0.10"), pod("b", "fin", "fd00:4::9"))
    world.apply(node("n1", "z1"), kind=Kind.NODE)
    bare, a = endpoint("10.4.0.9"), endpoint("10.4.0.10", pod="a", zone="z1")
    world.apply(endpoint_slice("l", "ledger", bare, a))
    world.apply(endpoint_slice("o", "other", endpoint("fd00:4::9", pod="b")))


async def test_a_table_in_groups(backend: Backend) -> None:
    answer = await backend.run("endpoints", LEDGER, OTHER)
    assert answer.code == 0
    assert answer.output.splitlines() == [
        "NAMESPACE   IP          PORT   POD   SERVICE",
        "fin         10.4.0.9    8080         ledger.fin",
        "fin         10.4.0.10   8080   a     ledger.fin",
        "",
        "fin         fd00:4::9   8080   b     other.fin",
    ]


async def test_t202_json(backend: Backend) -> None:
    answer = await backend.run("endpoints", LEDGER, "-o", "json")
    bare, a = json.loads(answer.output)
    keys = {"namespace", "ip", "port", "pod", "service", "weight", "http2", "labels"}
    assert keys <= set(bare)
    assert (a["ip"], a["port"], a["pod"], a["weight"]) == ("10.4.0.10", 8080, "a", 10_000)
    assert a["labels"]["serviceaccount"] == "default"
    assert a["protocol_hint"] == {"h2": {}}
    assert a["tls_identity"]["server_name"]["name"].startswith("default.fin.")


async def test_a_service_without_endpoints(backend: Backend) -> None:
    answer = await backend.run("endpoints", "empty.fin.svc.mesh.test")
    assert (answer.code, answer.output) == (0, "No endpoints found.\n")
    answer = await backend.run("endpoints", "empty.fin.svc.mesh.test", "-o", "json")
    assert (answer.code, answer.output) == (0, "[]\n")


async def test_a_service_that_does_not_exist(backend: Backend) -> None:
    name = "nope.default.svc.mesh.test:80"
    said = f"Error: {name} does not exist: there is no such service\n"
    assert await backend.run("endpoints", name) == Done(1, "", said)
    assert await backend.run("endpoints", name, "-o", "json") == Done(1, "[]\n", said)
    answer = await backend.run("endpoints", name, OTHER, "-o", "json")
    assert (answer.code, answer.errors) == (1, said)
    assert [each["pod"] for each in json.loads(answer.output)] == ["b"]


async def test_watching_a_service_that_does_not_exist(backend: Backend) -> None:
    answer = await backend.run("endpoints", "nope.default.svc.mesh.test:80", "--watch")
    assert (answer.code, answer.output) == (1, "")
    assert "NOT_FOUND" in answer.errors


@pytest.mark.parametrize("name", ["endpoints", "profile"])
async def test_t203_a_malformed_authority(backend: Backend, name: str) -> None:
    answer = await backend.run(name, "foo")
    assert answer.code == 1
    assert answer.output == ""
    (line,) = answer.errors.splitlines()
    assert line.startswith('Destination API error: path: invalid authority "foo"')
    assert line.endswith("(INVALID_ARGUMENT)")


async def test_t203_one_of_several_authorities_is_malformed(backend: Backend) -> None:
    """Nothing is printed of the others, which might be taken for all."""
    for flags in ((), ("--watch",)):
        answer = await backend.run("endpoints", "empty.fin.svc.mesh.test", "foo", *flags)
        assert (answer.code, answer.output) == (1, "")
        (line,) = (x for x in answer.errors.splitlines() if not x.startswith("# "))
        assert line.startswith('Destination API error: path: invalid authority "foo"')


async def test_short_names(backend: Backend) -> None:
    whole = await backend.run("endpoints", LEDGER)
    assert (await backend.run("ep", LEDGER)).output == whole.output
    answer = CliRunner().invoke(cli, ["dg", "ep", "--help"])
    assert answer.exit_code == 0
    assert "AUTHORITY" in answer.output


@pytest.mark.parametrize(
    ("flags", "locality"),
    [
        (["--node=n1"], "local"),
        (['--token={"nodeName":"n1"}'], "local"),
        (["--namespace=shop"], "unknown"),
    ],
)
async def test_asking_as_somebody(backend: Backend, flags: list[str], locality: str) -> None:
    answer = await backend.run("endpoints", LEDGER, "-o", "json", *flags)
    assert json.loads(answer.output)[1]["labels"]["zone_locality"] == locality


async def test_profiles(backend: Backend) -> None:
    said = yaml.safe_load((await backend.run("profile", LEDGER)).output)
    assert said["fully_qualified_name"] == "ledger.fin.svc.mesh.test"
    assert said["parent_ref"]["resource"]["port"] == 8080
    for host, ip in (("10.4.0.10", "10.4.0.10"), ("[fd00:4::9]", "fd00:4::9")):
        said = json.loads((await backend.run("profile", f"{host}:80", "-o", "json")).output)
        assert said["endpoint"]["addr"] == {"ip": ip, "port": 80}


async def test_a_profile_of_nothing(backend: Backend) -> None:
    answer = await backend.run("profile", "nope.fin.svc.mesh.test")
    assert answer.code == 1
    assert "NOT_FOUND" in answer.errors


async def test_watching_endpoints(backend: Backend) -> None:
    async with backend.watch("endpoints", LEDGER) as watch:
        assert {await watch.line(), await watch.line()} == {
            "+ fin  10.4.0.9  8080    ledger.fin",
            "+ fin  10.4.0.10  8080  a  ledger.fin",
        }
        backend.world.apply(endpoint_slice("l", "ledger", endpoint("10.4.0.11")))
        assert await watch.line() == "+ fin  10.4.0.11  8080    ledger.fin"
        assert {(await watch.line())[0], (await watch.line())[0]} == {"-"}


async def test_watching_endpoints_as_json(backend: Backend) -> None:
    async with backend.watch("endpoints", OTHER, "-o", "json") as watch:
        first = json.loads(await watch.line())
        assert (first["authority"], first["change"], first["pod"]) == (OTHER, "add", "b")
        backend.world.delete(endpoint_slice("o", "other"))
        gone = json.loads(await watch.line())
        assert (gone["change"], gone["ip"], gone["pod"]) == ("remove", "fd00:4::9", "b")


async def test_watching_an_empty_service_and_the_end(backend: Backend) -> None:
    async with backend.watch("endpoints", "empty.fin.svc.mesh.test:8080") as watch:
        assert watch.process.stderr is not None
        said = await watch.process.stderr.readline()
        assert said.decode() == "# empty.fin.svc.mesh.test:8080 has no endpoints\n"


async def test_watching_a_profile(backend: Backend) -> None:
    async with backend.watch("profile", "10.4.0.77:80", "-o", "json") as watch:
        assert "endpoint" not in json.loads(await watch.line())
        backend.world.apply(pod("c", "fin", "10.4.0.77"))
        assert json.loads(await watch.line())["endpoint"]["metric_labels"]["pod"] == "c"


async def test_a_watch_ends_quietly_when_it_is_interrupted(backend: Backend) -> None:
    async with backend.watch("endpoints", OTHER) as watch:
        await watch.line()
        watch.process.send_signal(signal.SIGINT)
        assert await watch.process.communicate() == (b"", b"")
        assert watch.process.returncode == 0


async def test_nobody_answers(forks: Forks) -> None:
    answer = await answer_of(forks, "endpoints", LEDGER, "--destination-addr=127.0.0.1:1")
    assert answer.code == 1
    assert "does not answer" in answer.errors
    assert answer.errors.count("\n") == 1


async def test_somebody_else_answers(forks: Forks) -> None:
    """In our words, not in gRPC's."""
    with answering(200) as one, answering("hang") as two, answering("close") as three:
        addresses = [url.removeprefix("http://") for url in (one, two, three)]
        runs = [answer_of(forks, "profile", LEDGER, f"--destination-addr={a}") for a in addresses]
        found = await asyncio.gather(*runs)
    for address, done in zip(addresses, found, strict=True):
        said = f"The destination service at {address} does not answer; is it running?\n"
        assert done == Done(1, "", said)


async def test_a_service_that_goes_away(backend: Backend) -> None:
    async with backend.watch("endpoints", OTHER) as watch:
        await watch.line()
        await backend.server.stop(0)
        output, errors = await watch.process.communicate()
    assert output == b""
    assert errors.decode().count("\n") == 1
    for noise in ("grpc", "GOAWAY", "RST_STREAM", "Traceback", "E1", "ipv4:"):
        assert noise not in errors.decode()


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a kubectl on PATH that does what the script says and writes down its arguments."""

    def make(script: str) -> Path:
        program, arguments = tmp_path / "kubectl", tmp_path / "arguments"
        program.write_text(f'#!/bin/sh\necho "$@" > {arguments}\n{script}\n')
        program.chmod(0o700)
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
        return arguments

    return make


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig that leads to an API server."""
    with answering("{}") as url:
        yield kubeconfig(tmp_path / "kubeconfig", url)


async def test_through_the_api_server(
    backend: Backend, kubectl: Callable[[str], Path], config: Path
) -> None:
    arguments = kubectl(f'echo "Forwarding from 127.0.0.1:{backend.port} -> 8086"; exec sleep 60')
    answer = await answer_of(
        backend.forks, "endpoints", LEDGER, "-L", "mesh-sys", "--kubeconfig", str(config)
    )
    assert answer.code == 0, answer.errors
    assert "10.4.0.10" in answer.output
    assert arguments.read_text().split() == [
        f"--kubeconfig={config}", "--namespace=mesh-sys", "port-forward", "--address=127.0.0.1",
        "deployment/linkerd-destination", ":8086",
    ]  # fmt: skip
    answer = await answer_of(
        backend.forks, "endpoints", LEDGER, "--destination-pod", "p-1", f"--kubeconfig={config}"
    )
    assert answer.code == 0
    assert "pod/p-1" in arguments.read_text()


async def test_the_api_server_refuses(
    forks: Forks, kubectl: Callable[[str], Path], config: Path
) -> None:
    kubectl('echo "error: no such deployment" >&2; exit 1')
    answer = await answer_of(forks, "endpoints", LEDGER, f"--kubeconfig={config}")
    assert answer.code == 1
    assert "error: no such deployment" in answer.errors
    assert "--destination-addr" in answer.errors
    assert "Traceback" not in answer.errors


def test_help_teaches() -> None:
    for arguments in (
        ["endpoints"], ["profile"], ["controller-metrics"], ["proxy-metrics"], [],
    ):  # fmt: skip
        answer = CliRunner().invoke(cli, ["diagnostics", *arguments, "--help"])
        assert answer.exit_code == 0
    assert "linkerd diagnostics endpoints web.demo" in answer.output
