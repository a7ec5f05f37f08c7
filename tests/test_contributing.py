"""CONTRIBUTING.md's "Add a service", followed word by word: its code blocks are a service."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio
import pytest

from linkerd.local.cluster import LocalCluster
from linkerd.stubs.proxy import inbound_pb2 as pb
from linkerd.stubs.proxy.inbound_pb2_grpc import InboundServerPoliciesStub
from tests.support.program import Program

ROOT: Final = Path(__file__).parents[1]
_FILE: Final = re.compile(r"^```python (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS: Final = 20.0  # for an answer; it takes milliseconds
_LONGEST: Final = 100  # lines of a service, its test apart


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the document has."""
    folder = tmp_path_factory.mktemp("board")
    for name, text in _files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "linkerd").symlink_to(ROOT / "linkerd")  # which ruff then sees is ours
    for package in ("services", "services/board"):
        (folder / package / "__init__.py").write_text(f'"""{package}."""\n')
    return folder


@pytest.fixture
def environ(made: Path) -> dict[str, str]:
    """What finds the service before ours, and ours besides."""
    return {"PYTHONPATH": os.pathsep.join([str(made), str(ROOT)]), "PYTHONSAFEPATH": "1"}


def _files() -> dict[str, str]:
    return dict(_FILE.findall((ROOT / "CONTRIBUTING.md").read_text()))


def _run(folder: Path, environ: dict[str, str], *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_short() -> None:
    lines = [
        line
        for name, text in _files().items()
        if name.startswith("services/")
        for line in text.splitlines()
        if line.strip() and not line.lstrip().startswith(("import ", "from ", '"""'))
    ]
    assert len(lines) <= _LONGEST


def test_it_keeps_the_style(made: Path, environ: dict[str, str]) -> None:
    config = ("--config", str(ROOT / "pyproject.toml"))
    _run(made, environ, "ruff", "check", "--no-cache", *config, "services")
    _run(made, environ, "ruff", "format", "--check", "--no-cache", *config, "services", "tests")


def test_its_index_keeps_the_law(made: Path, environ: dict[str, str]) -> None:
    _run(made, environ, "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(made), "tests")


@pytest.fixture
def board(api_cluster: LocalCluster, environ: dict[str, str]) -> Iterator[Program]:
    """The service beside an API server."""
    flags = ["--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--log-format", "json"]
    kubeconfig = ["--kubeconfig", str(api_cluster.kubeconfig)]
    with Program("services.board", *flags, *kubeconfig, environ=environ, fork=False) as running:
        running.event("ready")
        yield running


@pytest.mark.integration
async def test_it_is_followed(board: Program, api_cluster: LocalCluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with api_cluster.api() as api:

        def write(method: str, name: str, text: str, **labels: str) -> None:
            body: dict[str, Any] = {"metadata": {"name": name, "labels": labels}}
            body |= {"data": {"text": text}}
            where, kind = (
                (path, "json") if method == "POST" else (f"{path}/{name}", "merge-patch+json")
            )
            api.request(method, where, body, kind=kind)

        async with grpc.aio.insecure_channel(f"127.0.0.1:{board.port_of('serving')}") as channel:
            stub = InboundServerPoliciesStub(channel)
            request = pb.PortSpec(workload=f"{namespace}:news")
            with pytest.raises(grpc.aio.AioRpcError, match="there is no board"):
                await stub.GetPort(request, timeout=_SECONDS)
            write("POST", "other", "not on a board")
            write("POST", "news", "first", **{"example.org/board": ""})
            async with asyncio.timeout(_SECONDS):
                stream = await _stream(stub, request)
                assert dict((await stream.read()).labels) == {"text": "first"}
                write("PATCH", "news", "second", **{"example.org/board": ""})
                assert dict((await stream.read()).labels) == {"text": "second"}
                answer = await stub.GetPort(request)
                assert dict(answer.labels) == {"text": "second"}
                with pytest.raises(grpc.aio.AioRpcError):
                    await stub.GetPort(pb.PortSpec(workload=f"{namespace}:other"))
                api.request("DELETE", f"{path}/news")
                assert not (await stream.read()).labels
                stream.cancel()
    assert board.terminate() == 0


async def _stream(stub: Any, request: pb.PortSpec) -> Any:
    """A stream that is open; the service hears of the board a moment after it is made."""
    while True:
        try:
            await stub.GetPort(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
        else:
            return stub.WatchPort(request)
