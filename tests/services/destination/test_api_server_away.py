"""The program while the API server is away, and when it is asked to end. Ids of the catalogue: N25,
N27."""

import asyncio
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc.aio
import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.cut import CutProxy, api_server_of, kubeconfig_through
from tests.support.destination.program import Objects, connect, start
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


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

    async def test_it_is_asked_to_end_while_the_api_server_is_silent(
        self, api_cluster: LocalCluster, namespace: str, tmp_path: Path
    ) -> None:
        """It cannot give its Lease back, and does not insist."""
        async with CutProxy(*api_server_of(api_cluster.kubeconfig)) as wire:
            kubeconfig = kubeconfig_through(api_cluster.kubeconfig, wire, tmp_path)
            with start(kubeconfig, f"--controller-namespace={namespace}") as program:
                await asyncio.to_thread(program.event, "ready")
                await asyncio.to_thread(program.event, "leading")
                wire.stall()
                begun = time.monotonic()
                assert await asyncio.to_thread(program.terminate) == 0, program.log
                assert time.monotonic() - begun < 10
        assert "Traceback" not in program.log

    async def test_it_is_asked_to_end_while_a_profile_is_taken(
        self, api_cluster: LocalCluster
    ) -> None:
        with start(api_cluster.kubeconfig, "--enable-pprof") as program:
            await asyncio.to_thread(program.event, "ready")
            address = program.event("admin server listens")["addr"]
            reader, writer = await asyncio.open_connection(*address.split(":"))
            writer.write(b"GET /debug/profile?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n")
            await eventually(lambda: _status(f"http://{address}/debug/profile?seconds=0") == 409)
            assert await asyncio.to_thread(program.terminate) == 0, program.log
            assert await reader.read() == b""
            writer.close()
        assert "Traceback" not in program.log


def _status(url: str) -> int:
    try:
        with urlopen(url) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code
