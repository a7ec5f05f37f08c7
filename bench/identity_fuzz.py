"""Certify against requests that nobody would send: a million of them, none of which may end in
anything but an answer or a status of its own.

    python -m bench.identity_fuzz [--requests N] [--seed S]

Requests are good ones with edits: bytes of the CSR changed, cut, doubled; names replaced; fields
dropped or swapped; tokens of any bytes. They go to the method itself, without a network, which
leaves gRPC's own parser out (the tests of `linkerd.rpc` have it).
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import click

from linkerd.kube.reviews import TokenReviewStatus, UserInfo
from linkerd.runtime.clock import SystemClock
from linkerd.runtime.logs import configure_logging
from linkerd.runtime.metrics import registry
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest
from services.identity.errors import CallError
from services.identity.issuer.issuer import IssuerSlot, PemFile, make_issuer
from services.identity.metrics import Metrics
from services.identity.model import LeafPolicy
from services.identity.notices import Notices
from services.identity.server import STATUSES, Identity
from services.identity.tokens.judge import TokenJudge
from tests.support.certificates import DOMAIN, IDENTITY, Credentials, make_csr
from tests.support.said import SaidEvents

_NAMES = ("", IDENTITY, IDENTITY.upper(), f"{IDENTITY}.", f"*.{IDENTITY}", "a" * 254, "\0", "é")
_KEEP = 1000  # events; a million of them is not what is tested


class _Caller:
    """The call that a method is told of."""

    metadata: Mapping[str, str | bytes] = {}
    peer = "ipv4:192.0.2.7:1"

    def time_remaining(self) -> float | None:
        """None: no deadline."""
        return None


async def _review(token: str, audiences: Sequence[str]) -> TokenReviewStatus:
    """As an API server would: one token is good."""
    if token != "good":
        return TokenReviewStatus(error="invalid bearer token")
    user = UserInfo(username="system:serviceaccount:shop:checkout")
    return TokenReviewStatus(authenticated=True, user=user, audiences=tuple(audiences))


def mutated(source: random.Random, good: bytes) -> CertifyRequest:
    """A request near a good one."""
    csr = bytearray(good)
    for _ in range(source.choice((0, 0, 1, 1, 2, 5))):
        _edit(source, csr)
    token = source.choice((b"good", b"good", b"", b"\xff", b"g\0od", source.randbytes(20)))
    identity = IDENTITY if source.random() < 0.8 else source.choice(_NAMES)
    return CertifyRequest(identity=identity, token=token, certificate_signing_request=bytes(csr))


def _edit(source: random.Random, data: bytearray) -> None:
    if not data:
        return
    at = source.randrange(len(data))
    match source.randrange(4):
        case 0:
            data[at] ^= 1 << source.randrange(8)
        case 1:
            del data[at : at + source.randrange(1, 40)]
        case 2:
            data[at:at] = source.randbytes(source.randrange(1, 5))
        case _:
            data[at] = source.choice((0, 0x30, 0x7F, 0x80, 0x84, 0xFF))


async def fuzz(requests: int, seed: int) -> Counter[str]:
    """How often each outcome was; raises what is none."""
    credentials, clock, events = Credentials.make(), SystemClock(), SaidEvents()
    issuers = IssuerSlot()
    issuers.put(
        make_issuer(
            PemFile(Path("crt.pem"), credentials.issuer.certificate_pem),
            PemFile(Path("key.pem"), credentials.issuer.key_pem),
            PemFile(Path("ca-bundle.crt"), credentials.anchor.certificate_pem),
            DOMAIN,
            clock.now(),
        )
    )
    source, good, outcomes = random.Random(seed), make_csr(), Counter[str]()
    with ThreadPoolExecutor(1) as threads:
        identity = Identity(
            issuers,
            TokenJudge(_review, DOMAIN),
            LeafPolicy(timedelta(hours=24), timedelta(seconds=20)),
            clock,
            readers=threads,
            metrics=Metrics(registry()),
            notices=Notices(events, DOMAIN.controller_namespace),
        )
        for _ in range(requests):
            try:
                await identity.certify(mutated(source, good), _Caller())
            except CallError as error:
                outcomes[STATUSES[type(error)].name] += 1
            else:
                outcomes["OK"] += 1
            del events.said[:-_KEEP]
    return outcomes


@click.command()
@click.option("--requests", default=1_000_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(requests: int, seed: int) -> None:
    """Send requests that nobody would send."""
    configure_logging("error", "plain")
    began = time.monotonic()
    outcomes = asyncio.run(fuzz(requests, seed))
    print(f"{requests:,} requests in {time.monotonic() - began:.0f} s: {dict(outcomes)}")


if __name__ == "__main__":
    main()
