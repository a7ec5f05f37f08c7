"""Calls that are made to use up identity's memory, by a process of their own.

    python -m bench.siege_calls ADDRESS SECONDS IN_FLIGHT [KIND...] < {"identity": ..., "csr": ...}

Each kind has its share of the time: first calls one after the other, then so many at once, over a
few connections, each begun anew as soon as it ends. Prints how often each kind ended with which
status, as JSON.
"""

import asyncio
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from cryptography import x509

from linkerd.stubs.proxy.identity_pb2 import CertifyRequest
from tests.support.certificates import make_csr

METHOD: Final = "/io.linkerd.proxy.identity.Identity/Certify"

_CONNECTIONS: Final = 5
_ALONE: Final = 0.2  # the share of a kind's time in which its calls come one after the other
_TIMEOUT: Final = 15.0  # seconds, of a call
_OPTIONS: Final = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent."""

    request: bytes
    metadata: Metadata = ()


def kinds(identity: str, csr: bytes) -> dict[str, Call]:
    """All of them, around a request that would be good with a token."""
    empty = [x509.DirectoryName(x509.Name([]))]
    large_csr = make_csr(identity, names=empty * 1950)
    return {
        "1 MB": Call(_request(identity, bytes(1_000_000), csr)),
        "190 kB": Call(_request(identity, bytes(190_000), csr)),
        "token of 60 kB": Call(_request(identity, b"x" * 60_000, csr)),
        "token of 16 kB": Call(_request(identity, b"x" * 16_000, csr)),
        "token that is none": Call(_request(identity, b"a.b.c", csr)),
        "signing request of 8 kB": Call(_request(identity, b"a.b.c", large_csr)),
        "430 headers": Call(b"", tuple((f"{number:03x}", "") for number in range(430))),
        "headers of 16 kB": Call(b"", (("x", "y" * 15_500),)),
        "no message": Call(b"\xff" * 1000),
    }


def _request(identity: str, token: bytes, csr: bytes) -> bytes:
    return CertifyRequest(
        identity=identity, token=token, certificate_signing_request=csr
    ).SerializeToString()


async def besiege(
    address: str, seconds: float, in_flight: int, calls: Mapping[str, Call]
) -> dict[str, dict[str, int]]:
    """How often each kind ended with which status."""
    ends: defaultdict[str, Counter[str]] = defaultdict(Counter)
    share = seconds / len(calls)
    for kind, call in calls.items():
        until = time.monotonic() + share
        await _crowd(address, call, 1, until - share * (1 - _ALONE), ends[kind])
        await _crowd(address, call, in_flight, until, ends[kind])
    return {kind: dict(counted) for kind, counted in ends.items()}


async def _crowd(
    address: str, call: Call, in_flight: int, until: float, ends: Counter[str]
) -> None:
    channels = [
        grpc.aio.insecure_channel(address, options=[*_OPTIONS, ("siege.number", number)])
        for number in range(min(_CONNECTIONS, in_flight))
    ]
    methods: list[Any] = [channel.unary_unary(METHOD) for channel in channels]

    async def one_after_the_other(method: Any) -> None:
        while time.monotonic() < until:
            try:
                await method(call.request, metadata=call.metadata, timeout=_TIMEOUT)
                ends["OK"] += 1
            except grpc.aio.AioRpcError as error:
                ends[error.code().name] += 1
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    await asyncio.sleep(0.05)  # the connection comes anew

    async with asyncio.TaskGroup() as tasks:
        for number in range(in_flight):
            tasks.create_task(one_after_the_other(methods[number % len(methods)]))
    for channel in channels:
        await channel.close()


def main() -> None:
    """Reads what to ask for, calls, prints."""
    address, seconds, in_flight = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    asked = json.load(sys.stdin)
    every = kinds(asked["identity"], bytes.fromhex(asked["csr"]))
    calls = {kind: every[kind] for kind in sys.argv[4:] or every}
    print(json.dumps(asyncio.run(besiege(address, seconds, in_flight, calls))))


if __name__ == "__main__":
    main()
