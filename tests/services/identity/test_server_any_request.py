"""Certify over real gRPC on loopback: whatever is asked ends well, and leaves nothing behind."""

import asyncio
import gc
import tracemalloc
from collections.abc import MutableMapping
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.certificates import IDENTITY, make_csr
from tests.support.identity.service import Server

pytestmark = pytest.mark.usefixtures("logs")

INVALID = grpc.StatusCode.INVALID_ARGUMENT

REFUSED = grpc.StatusCode.FAILED_PRECONDITION

ANY_BYTES = st.binary(max_size=200)

CODES = {INVALID, REFUSED}


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=30) | st.just(IDENTITY), ANY_BYTES, ANY_BYTES)
async def test_any_request_ends_with_a_status_of_the_table(
    server: Server, identity: str, token: bytes, csr: bytes
) -> None:
    code, message = await server.refusal(identity, token, csr)
    assert code in CODES
    assert message


async def test_calls_leave_nothing_behind(
    server: Server, logs: list[MutableMapping[str, Any]]
) -> None:
    good, bad = make_csr(), make_csr("other.example")

    async def round_of_calls() -> None:
        for _ in range(50):
            await server.certify(csr=good)
            await server.refusal(csr=bad)
            await server.refusal(csr=good[:-1])
        server.reviewer.asked.clear()
        server.events.said.clear()
        logs.clear()
        gc.collect()

    # The engine remembers the last 1,024 streams of a connection that are over.
    await asyncio.gather(*(server.refusal(csr=b"") for _ in range(1100)))
    await round_of_calls()
    tracemalloc.start()
    try:
        await round_of_calls()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            await round_of_calls()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 100_000, f"{grown} bytes after 450 calls"
