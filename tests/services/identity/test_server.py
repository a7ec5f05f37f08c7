"""Certify over real gRPC on loopback: statuses in their order, and what a workload gets.

Certificates are real too; only the API server's verdicts are scripted here. What a real one says is
in `test_with_api_server.py`.
"""

import asyncio
import gc
import hashlib
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from linkerd.kube.recorder import ObjectRef
from linkerd.kube.reviews import TokenReviewStatus, UserInfo
from linkerd.rpc.grpcio import GrpcServer, ServerOptions
from linkerd.runtime.metrics import registry
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import identity_pb2_grpc
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest, CertifyResponse
from linkerd.testing.certificates import DOMAIN, IDENTITY, Credentials, make_csr, p256
from linkerd.testing.clock import FakeClock
from linkerd.testing.said import SaidEvents
from services.identity.errors import ReviewRefusedError, ReviewUnavailableError
from services.identity.issuer import IssuerSlot, PemFile, make_issuer
from services.identity.metrics import Metrics
from services.identity.model import Issuer, LeafPolicy
from services.identity.notices import Notices
from services.identity.server import Identity
from services.identity.tokens import TokenJudge

INVALID = grpc.StatusCode.INVALID_ARGUMENT
REFUSED = grpc.StatusCode.FAILED_PRECONDITION
LONG = DOMAIN.workload("c" * 63, "s" * 63)

Answer = TokenReviewStatus | Exception


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

    always: Answer = field(default_factory=lambda: user("system:serviceaccount:shop:checkout"))
    script: list[Answer] = field(default_factory=list)
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
            [given.anchor.certificate],
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


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the server logged, instead of the log."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server whose issuer is loaded, at a time that stands still."""
    clock = FakeClock(datetime(2030, 5, 17, 12, tzinfo=UTC))
    policy = LeafPolicy(timedelta(hours=24), timedelta(seconds=20))
    issuers, reviewer = IssuerSlot(), ScriptedReviewer()
    with ThreadPoolExecutor(2) as signers:
        numbers, events = registry(), SaidEvents()
        identity = Identity(
            issuers,
            TokenJudge(reviewer, DOMAIN),
            policy,
            clock,
            signers,
            metrics=Metrics(numbers),
            notices=Notices(events, DOMAIN.controller_namespace),
        )
        grpc_server = GrpcServer(
            HostPort("127.0.0.1", 0),
            [identity.table()],
            readiness=Readiness(),
            registry=numbers,
            options=ServerOptions(),
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


class TestGranted:
    async def test_i1_base_request(self, server: Server) -> None:
        key = p256()
        response = await server.certify(csr=make_csr(key=key, common_name=None))
        leaf = leaf_of(response)
        assert leaf.public_key() == key.public_key()
        assert leaf.not_valid_before_utc == server.clock.now() - timedelta(seconds=20)
        assert leaf.not_valid_after_utc == server.clock.now() + timedelta(days=1, seconds=20)
        assert response.valid_until.ToDatetime(tzinfo=UTC) == leaf.not_valid_after_utc
        assert response.valid_until.nanos == 0
        (intermediate,) = map(x509.load_der_x509_certificate, response.intermediate_certificates)
        assert intermediate == server.credentials.issuer.certificate
        leaf.verify_directly_issued_by(intermediate)
        intermediate.verify_directly_issued_by(server.credentials.anchor.certificate)

    async def test_the_token_is_passed_on_as_it_is(self, server: Server) -> None:
        """Token files are sent untrimmed."""
        await server.certify(token=b" a.b.c\n")
        assert server.reviewer.asked == [(" a.b.c\n", ("identity.l5d.io",))]

    async def test_name_over_64_characters(self, server: Server) -> None:
        server.reviewer.always = user(f"system:serviceaccount:{'s' * 63}:{'c' * 63}")
        for common_name in ("", None):
            response = await server.certify(LONG, csr=make_csr(LONG, common_name=common_name))
            names = leaf_of(response).extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            )
            assert names.value.get_values_for_type(x509.DNSName) == [LONG]

    @pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()])
    async def test_i18_other_curves(self, server: Server, curve: ec.EllipticCurve) -> None:
        await server.certify(csr=make_csr(key=ec.generate_private_key(curve)))

    async def test_i45_200_at_once(self, server: Server) -> None:
        csr = make_csr()
        responses = await asyncio.gather(*(server.certify(csr=csr) for _ in range(200)))
        assert len({leaf_of(each).serial_number for each in responses}) == 200

    async def test_i45_issuers_change_meanwhile(self, server: Server) -> None:
        """Every answer's leaf and intermediate fit, whichever issuer the call got."""
        issuers = cycle([server.issuer(Credentials.make(now=server.clock.now())), server.issuer()])
        csr, used = make_csr(), set()
        server.reviewer.meanwhile = lambda: server.issuers.put(next(issuers))

        async def call(_: int) -> None:
            response = await server.certify(csr=csr)
            (intermediate,) = response.intermediate_certificates
            leaf_of(response).verify_directly_issued_by(
                x509.load_der_x509_certificate(intermediate)
            )
            used.add(intermediate)

        await asyncio.gather(*map(call, range(100)))
        assert len(used) == 2

    async def test_i49_event_on_the_service_account(self, server: Server) -> None:
        response = await server.certify()
        ((about, kind, reason, text),) = server.events.said
        assert about == ObjectRef("v1", "ServiceAccount", "shop", "checkout")
        assert (kind, reason) == ("Normal", "IssuedLeafCertificate")
        assert hashlib.sha256(response.leaf_certificate).hexdigest() in text
        assert IDENTITY in text
        assert "2030-05-18 12:00:20" in text

    async def test_refused_calls_give_no_event(self, server: Server) -> None:
        await server.refusal(csr=b"x")
        server.reviewer.always = TokenReviewStatus()
        await server.refusal()
        assert server.events.said == []

    async def test_what_calls_take_is_measured(self, server: Server) -> None:
        await server.certify()
        await server.refusal(csr=b"x")
        taken = server.numbers.get_sample_value("identity_certify_seconds_count")
        assert (taken, server.numbers.get_sample_value("identity_sign_seconds_count")) == (2, 1)


class TestFields:
    async def test_i2_no_issuer(self, server: Server) -> None:
        server.issuers.__init__()  # type: ignore[misc]  # as it is before the first load
        code, message = await server.refusal(identity="", token=b"", csr=b"")
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "issuer is not ready" in message

    @pytest.mark.parametrize(
        ("identity", "token", "csr", "says"),
        [
            ("", b"", b"", "identity is missing"),
            (IDENTITY, b"", b"", "token is missing"),
            (IDENTITY, b"t", b"", "certificate_signing_request is missing"),
            ("a" * 254, b"t", b"", "identity has 254 characters"),
        ],
        ids=["i3", "i4", "i5", "254 characters"],
    )
    async def test_missing(
        self, server: Server, identity: str, token: bytes, csr: bytes, says: str
    ) -> None:
        code, message = await server.refusal(identity, token, csr)
        assert code is INVALID
        assert message.startswith(says)
        assert server.reviewer.asked == []

    async def test_i6_pem(self, server: Server) -> None:
        pem = x509.load_der_x509_csr(make_csr()).public_bytes(Encoding.PEM)
        code, message = await server.refusal(csr=pem)
        assert code is INVALID
        assert "certificate_signing_request" in message
        assert "send DER" in message

    @pytest.mark.parametrize("csr", [make_csr()[:-1], make_csr() + b"x"], ids=["cut", "trailing"])
    async def test_i7_not_quite_der(self, server: Server, csr: bytes) -> None:
        assert (await server.refusal(csr=csr))[0] is INVALID
        assert server.reviewer.asked == []

    async def test_a_csr_of_a_megabyte(self, server: Server) -> None:
        code, message = await server.refusal(csr=bytes(1_000_000))
        assert code is INVALID
        assert "has 1000000 bytes" in message

    @pytest.mark.parametrize(
        ("identity", "csr", "says"),
        [
            (IDENTITY, make_csr(names=[]), "exactly one DNS name"),
            (IDENTITY, make_csr(IDENTITY.upper()), "for another name"),
            (IDENTITY, make_csr(common_name="other.example"), "common name"),
        ],
        ids=["i8", "i10", "i11"],
    )
    async def test_names(self, server: Server, identity: str, csr: bytes, says: str) -> None:
        code, message = await server.refusal(identity, csr=csr)
        assert code is REFUSED
        assert says in message
        assert server.reviewer.asked == []

    async def test_i17_rsa_key(self, server: Server) -> None:
        """Said only to those whose token is good."""
        csr = make_csr(key=rsa.generate_private_key(65537, 2048))
        code, message = await server.refusal(csr=csr)
        assert code is grpc.StatusCode.INTERNAL
        assert "ECDSA public key" in message
        assert len(server.reviewer.asked) == 1

    async def test_i16_flipped_signature_bit(self, server: Server) -> None:
        """Upstream does not look at the signature."""
        csr = bytearray(make_csr())
        csr[-1] ^= 1
        code, message = await server.refusal(csr=bytes(csr))
        assert code is REFUSED
        assert "not signed by the private key" in message

    async def test_10_megabytes(self, server: Server) -> None:
        code, _ = await server.refusal(token=bytes(10 << 20))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        await server.certify()

    async def test_a_message_that_is_none(self, server: Server) -> None:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        call = server.channel.unary_unary("/io.linkerd.proxy.identity.Identity/Certify")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff")
        assert caught.value.code() is INVALID
        assert "CertifyRequest" in str(caught.value.details())


WRONG_NAME = "for another name than identity"
LABELS = ".".join(["a" * 49] * 5) + ".abcd"


class TestBadInput:
    """Each ends with its status and a message that names what is wrong."""

    @pytest.mark.parametrize(
        ("identity", "names", "code", "says"),
        [
            (IDENTITY, [f"n{n}.example" for n in range(1000)], REFUSED, "and has 1000"),
            (IDENTITY, ["*.shop.example"], REFUSED, "csr='*.shop.example'"),
            (IDENTITY, [f"{IDENTITY}."], REFUSED, WRONG_NAME),
            (f"*.{IDENTITY}", [f"*.{IDENTITY}"], REFUSED, "not that of the token's"),
            (IDENTITY.upper(), [IDENTITY.upper()], REFUSED, "not that of the token's"),
            (f"{IDENTITY}.", [f"{IDENTITY}."], REFUSED, "not that of the token's"),
            (LABELS, [LABELS], INVALID, "identity has 254 characters"),
            (f"{IDENTITY}\n", [IDENTITY], REFUSED, WRONG_NAME),
            (f"{IDENTITY}\0.evil.example", [IDENTITY], REFUSED, WRONG_NAME),
            (IDENTITY, [f"{IDENTITY}\0.evil.example"], REFUSED, WRONG_NAME),
        ],
        ids=[
            "1000 names", "wildcard", "dot in the request", "wildcard identity", "upper case",
            "trailing dot", "254 characters", "newline", "nul", "nul in the request",
        ],
    )  # fmt: skip
    async def test_names(
        self, server: Server, identity: str, names: list[str], code: grpc.StatusCode, says: str
    ) -> None:
        csr = make_csr(names=[x509.DNSName(name) for name in names])
        found, message = await server.refusal(identity, csr=csr)
        assert (found, says in message) == (code, True), message
        assert "\0" not in message
        assert "\n" not in message

    @pytest.mark.parametrize(
        ("other", "says"),
        [
            (x509.IPAddress(ip_address("192.0.2.7")), "IP addresses ('192.0.2.7')"),
            (x509.IPAddress(ip_address("2001:db8::7")), "IP addresses ('2001:db8::7')"),
            (x509.UniformResourceIdentifier("spiffe://corp.example/x"), "URIs ('spiffe://"),
            (x509.RFC822Name("ops@corp.example"), "e-mail addresses ('ops@"),
        ],
        ids=["ipv4", "ipv6", "uri", "e-mail"],
    )
    async def test_i13_other_kinds_of_names(
        self, server: Server, other: x509.GeneralName, says: str
    ) -> None:
        csr = make_csr(names=[x509.DNSName(IDENTITY), other])
        code, message = await server.refusal(csr=csr)
        assert (code, says in message) == (REFUSED, True), message

    async def test_a_token_of_a_megabyte(self, server: Server) -> None:
        code, message = await server.refusal(token=b"s" * 1_000_000)
        assert code is INVALID
        assert message == "token has 1000000 bytes; at most 65536 are accepted"
        assert server.reviewer.asked == []

    async def test_trailing_bytes(self, server: Server) -> None:
        for tail in (b"\0", b"\n", make_csr()):
            code, message = await server.refusal(csr=make_csr() + tail)
            assert (code, "PKCS#10" in message) == (INVALID, True)


class TestIssuer:
    async def test_i30_expired(self, server: Server) -> None:
        await server.clock.advance(timedelta(days=366).total_seconds())
        code, message = await server.refusal()
        assert code is REFUSED
        assert "has expired: current time 2031-05-18T12:00:00Z, not before 2030-05-17" in message
        assert server.reviewer.asked == []
        ((about, kind, reason, text),) = server.events.said
        assert about == ObjectRef("apps/v1", "Deployment", "mesh-sys", "linkerd-identity")
        assert (kind, reason) == ("Warning", "IssuerValidationFailed")
        assert "has expired" in text
        assert IDENTITY in text

    async def test_an_expired_one_is_said_after_a_broken_request(self, server: Server) -> None:
        await server.clock.advance(timedelta(days=366).total_seconds())
        assert (await server.refusal(csr=b"x"))[0] is INVALID

    async def test_recovers_with_a_new_one(self, server: Server) -> None:
        await server.clock.advance(timedelta(days=366).total_seconds())
        server.issuers.put(server.issuer(Credentials.make(now=server.clock.now())))
        await server.certify()

    async def test_i31_near_its_end(self, server: Server) -> None:
        await server.clock.advance(timedelta(days=364, hours=23).total_seconds())
        leaf = leaf_of(await server.certify())
        assert leaf.not_valid_after_utc == server.credentials.issuer.certificate.not_valid_after_utc


class TestTokens:
    @pytest.mark.parametrize(
        ("verdict", "code", "says"),
        [
            (TokenReviewStatus(), REFUSED, "token could not be authenticated"),
            (TokenReviewStatus(error="token expired"), INVALID, "token expired"),
            (user("system:node:worker-3"), INVALID, "ServiceAccount"),
            (
                user("system:serviceaccount:shop:cart"),
                REFUSED,
                f"requested='{IDENTITY}' found='cart.shop.serviceaccount.identity.mesh-sys",
            ),
            (user("system:serviceaccount:bank:checkout"), REFUSED, "found='checkout.bank."),
            (user("system:serviceaccount:shop:checkout", "vault"), REFUSED, "audience"),
            (ReviewUnavailableError("try again"), grpc.StatusCode.UNAVAILABLE, "try again"),
            (ReviewRefusedError("not allowed"), grpc.StatusCode.INTERNAL, "not allowed"),
        ],
        ids=["i19", "i20", "i24", "i28", "i29", "audience", "i23", "forbidden"],
    )
    async def test_verdicts(
        self, server: Server, verdict: Answer, code: grpc.StatusCode, says: str
    ) -> None:
        server.reviewer.always = verdict
        found, message = await server.refusal()
        assert found is code
        assert says in message

    @pytest.mark.parametrize("token", [b"\xff", b"se\x00cret", b"se\ncret", b"x" * 70_000])
    async def test_neither_message_nor_log_echoes_the_token(
        self, server: Server, token: bytes, logs: list[MutableMapping[str, Any]]
    ) -> None:
        text = token.decode(errors="replace")
        server.reviewer.always = TokenReviewStatus(error=f"cannot parse {text}")
        code, message = await server.refusal(token=token)
        assert code is INVALID
        assert text not in message
        (entry,) = (each for each in logs if each["event"] == "not certified")
        assert entry["code"] == "INVALID_ARGUMENT"
        assert entry["error"] == message
        assert text not in str(logs)

    async def test_an_unforeseen_failure_says_nothing(self, server: Server) -> None:
        server.reviewer.always = ValueError("secret detail")
        code, message = await server.refusal()
        assert code is grpc.StatusCode.INTERNAL
        assert "secret" not in message
        server.reviewer.always = user("system:serviceaccount:shop:checkout")
        await server.certify()


ANY_BYTES = st.binary(max_size=200)
CODES = {INVALID, REFUSED}


@settings(
    max_examples=200,
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
        logs.clear()
        gc.collect()

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
