"""A running identity service whose reviews are scripted, for tests."""

from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry

from linkerd.kube.reviews import TokenReviewStatus, UserInfo
from linkerd.rpc.engines import ENGINES
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import identity_pb2_grpc
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest, CertifyResponse
from services.identity.issuer.issuer import IssuerSlot, PemFile, make_issuer
from services.identity.metrics import Metrics
from services.identity.model import Issuer, LeafPolicy
from services.identity.notices import Notices
from services.identity.server import Identity
from services.identity.settings import Settings, server_limits
from services.identity.tokens.judge import TokenJudge
from tests.support.certificates import DOMAIN, IDENTITY, Credentials, make_csr
from tests.support.clock import FakeClock
from tests.support.said import SaidEvents

Verdict = TokenReviewStatus | Exception


def user(name: str, *audiences: str) -> TokenReviewStatus:
    """The verdict on a good token."""
    return TokenReviewStatus(
        authenticated=True,
        user=UserInfo(username=name),
        audiences=audiences or ("identity.l5d.io",),
    )


@dataclass
class ScriptedReviewer:
    """Gives the answers of `script`, then again and again `always`; keeps what it was asked."""

    always: Verdict = field(default_factory=lambda: user("system:serviceaccount:shop:checkout"))
    script: list[Verdict] = field(default_factory=list)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    async def __call__(self, token: str, audiences: Sequence[str]) -> TokenReviewStatus:
        self.asked.append((token, tuple(audiences)))
        answer = self.script.pop(0) if self.script else self.always
        self.meanwhile()
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Server:
    """A running server and all that a test may turn."""

    credentials: Credentials
    issuers: IssuerSlot
    reviewer: ScriptedReviewer
    clock: FakeClock
    policy: LeafPolicy
    channel: grpc.aio.Channel
    events: SaidEvents
    numbers: CollectorRegistry

    def issuer(self, credentials: Credentials | None = None) -> Issuer:
        """What loading the credentials gives."""
        given = credentials or self.credentials
        return make_issuer(
            PemFile(Path("crt.pem"), given.issuer.certificate_pem),
            PemFile(Path("key.pem"), given.issuer.key_pem),
            PemFile(Path("ca-bundle.crt"), given.anchor.certificate_pem),
            DOMAIN,
            self.clock.now(),
        )

    async def certify(
        self, identity: str = IDENTITY, token: bytes = b"a-token", csr: bytes | None = None
    ) -> CertifyResponse:
        """Calls Certify with a good request, but for what is given."""
        request = CertifyRequest(
            identity=identity,
            token=token,
            certificate_signing_request=make_csr(identity) if csr is None else csr,
        )
        return await identity_pb2_grpc.IdentityStub(self.channel).Certify(request, timeout=20)

    async def refusal(
        self, identity: str = IDENTITY, token: bytes = b"a-token", csr: bytes | None = None
    ) -> tuple[grpc.StatusCode, str]:
        """The status and the message that such a request ends with."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.certify(identity, token, csr)
        return caught.value.code(), caught.value.details() or ""


@asynccontextmanager
async def running_server(engine: str | None = None) -> AsyncIterator[Server]:
    """A server whose issuer is loaded, at a time that stands still, on the program's own engine if
    none is named, with the program's limits."""
    clock = FakeClock(datetime(2030, 5, 17, 12, tzinfo=UTC))
    policy = LeafPolicy(timedelta(hours=24), timedelta(seconds=20))
    issuers, reviewer = IssuerSlot(), ScriptedReviewer()
    with ThreadPoolExecutor(1, thread_name_prefix="read") as readers:
        numbers, events = registry(), SaidEvents()
        identity = Identity(
            issuers,
            TokenJudge(reviewer, DOMAIN),
            policy,
            clock,
            readers=readers,
            metrics=Metrics(numbers),
            notices=Notices(events, DOMAIN.controller_namespace),
        )
        grpc_server = ENGINES[engine or Settings().grpc_engine](
            HostPort("127.0.0.1", 0),
            [identity.table()],
            readiness=Readiness(),
            registry=numbers,
            options=server_limits(Settings()),
        )
        port = await grpc_server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            running = Server(
                Credentials.make(now=clock.now()),
                issuers,
                reviewer,
                clock,
                policy,
                channel,
                events,
                numbers,
            )
            issuers.put(running.issuer())
            yield running
        await grpc_server.stop(0)


def leaf_of(response: CertifyResponse) -> x509.Certificate:
    """The certificate that a workload got."""
    return x509.load_der_x509_certificate(response.leaf_certificate)
