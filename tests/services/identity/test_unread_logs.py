"""Certificates while nobody reads what the program logs."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import grpc.aio
import pytest

from bench.identity import certify_requests
from linkerd.kube.client import KubeClient
from linkerd.local.cluster import LocalCluster
from linkerd.stubs.proxy.identity_pb2 import CertifyResponse
from tests.support.certificates import Credentials
from tests.support.identity.program import DOMAIN, METHOD, start

pytestmark = pytest.mark.integration

CALLS = 60
"""Each makes a line of some 250 bytes; the pipe holds 4 KiB, and its reader had read on by 8."""


async def test_a_log_that_nobody_reads_holds_up_no_call(
    api_cluster: LocalCluster, tmp_path: Path
) -> None:
    async with await KubeClient.connect(api_cluster.kubeconfig, user_agent="test") as client:
        (request,) = await certify_requests(client, 1)
    with start(api_cluster.kubeconfig, tmp_path, Credentials.make(DOMAIN)) as program:
        await asyncio.to_thread(program.event, "ready")
        admin = program.event("admin server listens")["addr"]
        address = f"127.0.0.1:{program.port_of('serving')}"
        async with grpc.aio.insecure_channel(address) as channel:
            with program.unread():
                for _ in range(CALLS):
                    assert await _certify(channel, request)
                with await asyncio.to_thread(urlopen, f"http://{admin}/ping", timeout=1) as pong:
                    assert pong.status == 200
                assert program.log.count("certified") < CALLS
        assert program.terminate() == 0
    assert program.log.count("certified") == CALLS


async def _certify(channel: grpc.aio.Channel, request: bytes) -> bytes:
    """The certificate."""
    call: Any = channel.unary_unary(f"/{METHOD}")
    return CertifyResponse.FromString(await call(request, timeout=5)).leaf_certificate
