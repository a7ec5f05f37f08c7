"""`linkerd diagnostics policy`, against a policy service of the test's own."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from linkerd.cli.main import cli
from linkerd.rpc.grpcio.server import GrpcServer
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from services.policy.index.kinds import Kind
from services.policy.server.inbound import InboundServerPolicies
from services.policy.server.outbound import OutboundPolicies
from tests.support.eventually import eventually
from tests.support.forked import Done, Forks, Run, forked_linkerd
from tests.support.policy.inbound import World


@dataclass
class Backend:
    """A policy service, and the world that it knows."""

    world: World
    port: int
    forks: Forks

    @property
    def flag(self) -> str:
        return f"--policy-addr=127.0.0.1:{self.port}"

    async def run(self, *arguments: str) -> Done:
        words = ("diagnostics", "policy", "-n", "fin", *arguments, self.flag)
        return await asyncio.to_thread(self.forks.start(*words).done)


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    with forked_linkerd(tmp_path) as forks:
        yield forks


@pytest.fixture
async def backend(forks: Forks) -> AsyncIterator[Backend]:
    world = World()
    world.pod("web-0", containers=[{"name": "app"}])
    world.put(Kind.SERVICE, "web", {"clusterIPs": ["10.0.0.9"], "ports": [{"port": 80}]})
    server = GrpcServer(
        HostPort("127.0.0.1", 0),
        [
            InboundServerPolicies(world.index).table(),
            OutboundPolicies(world.index).table(),
        ],
        readiness=Readiness(),
        registry=registry(),
    )
    yield Backend(world, await server.start(), forks)
    await server.stop(0)


async def test_a_pods_port_as_yaml(backend: Backend) -> None:
    backend.world.server("web")
    answer = await backend.run("pod/web-0", "8080")
    assert answer.code == 0, answer
    said = yaml.safe_load(answer.output)
    assert said["labels"] == {"group": "policy.linkerd.io", "kind": "server", "name": "web"}
    assert said["protocol"]["detect"]["timeout"] == "10s"


async def test_networks_as_people_write_them(backend: Backend) -> None:
    answer = await backend.run("po/web-0", "8080", "--output=json")
    (everyone,) = json.loads(answer.output)["authorizations"]
    assert [network["net"]["ip"] for network in everyone["networks"]] == ["0.0.0.0", "::"]


@pytest.mark.parametrize("target", ["svc/web", "10.0.0.9"])
async def test_a_service_by_name_or_ip(backend: Backend, target: str) -> None:
    answer = await backend.run(target, "80")
    said = yaml.safe_load(answer.output)
    assert said["metadata"]["resource"]["name"] == "web"
    (route,) = said["protocol"]["detect"]["http1"]["routes"]
    (backend_said,) = route["rules"][0]["backends"]["first_available"]["backends"]
    path = backend_said["backend"]["balancer"]["discovery"]["dst"]["path"]
    assert path == "web.fin.svc.cluster.local:80"


async def test_an_ip_that_nobody_has(backend: Backend) -> None:
    answer = await backend.run("10.0.0.1", "80")
    assert answer.code == 1
    assert answer.errors.startswith("Policy API error: ")
    assert answer.errors.endswith("(NOT_FOUND)\n")


async def test_a_pod_that_is_not_there(backend: Backend) -> None:
    answer = await backend.run("pod/nobody", "80")
    assert answer.code == 1
    assert "Policy API error: workload: no Pod fin/nobody in the mesh (NOT_FOUND)" in answer.errors


async def test_who_asks_counts(backend: Backend) -> None:
    """An EgressNetwork counts for its own namespace."""
    backend.world.put(Kind.EGRESS_NETWORK, "out", {"trafficPolicy": "Deny"})
    names = []
    for token in ("fin:anybody", '{"ns":"ops","pod":"anybody"}'):
        answer = await backend.run("203.0.113.7", "80", "--output=json", f"--token={token}")
        metadata = json.loads(answer.output)["metadata"]
        names.append(metadata.get("default") or metadata["resource"]["name"])
    assert names == ["out", "egress-fallback"]


async def test_a_watch_prints_each_change_on_a_line(backend: Backend) -> None:
    words = ("diagnostics", "policy", "-n", "fin", "pod/web-0", "8080", "-w", "--output=json")
    run = backend.forks.start(*words, backend.flag)

    async def printed(count: int) -> dict[str, Any]:
        await eventually(lambda: len(_lines(run)) == count, f"line {count}")
        message: dict[str, Any] = json.loads(_lines(run)[-1])
        return message

    assert (await printed(1))["labels"]["kind"] == "default"
    backend.world.server("web")
    assert (await printed(2))["labels"]["name"] == "web"
    assert run.process.pid is not None
    os.kill(run.process.pid, signal.SIGINT)
    assert (await asyncio.to_thread(run.done)).code == 0


def _lines(run: Run) -> list[str]:
    return (run.folder / "output").read_text().splitlines()


async def test_nobody_listens(forks: Forks) -> None:
    words = ("diagnostics", "policy", "-n", "fin", "svc/web", "80", "--policy-addr=127.0.0.1:1")
    answer = await asyncio.to_thread(forks.start(*words).done)
    assert answer.code == 1
    assert answer.errors == ("The policy service at 127.0.0.1:1 does not answer; is it running?\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("deploy/web", "80"), "a deploy has no policy: name a pod, externalworkload or svc"),
        (("web", "80"), "name a resource, such as pod/web-1 or svc/web, or an IP"),
        (("pod/", "80"), "name a resource"),
        (("pod/web", "0"), "0 is not in the range"),
        (("pod/web", "http"), "'http' is not a valid integer"),
    ],
)
def test_words_that_mean_nothing(arguments: tuple[str, ...], said: str) -> None:
    answer = CliRunner().invoke(cli, ["diagnostics", "policy", "-n", "fin", *arguments])
    assert answer.exit_code == 1
    assert said in answer.output
