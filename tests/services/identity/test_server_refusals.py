"""Certify over real gRPC on loopback: what is refused, and with which words."""

from collections.abc import MutableMapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import grpc
import grpc.aio
import pytest
from cryptography import x509

from linkerd.kube.recorder import ObjectRef
from linkerd.kube.reviews import TokenReviewStatus
from services.identity.errors import ReviewRefusedError, ReviewUnavailableError
from tests.support.certificates import DOMAIN, IDENTITY, Credentials, make_csr
from tests.support.identity.service import Server, Verdict, leaf_of, user

pytestmark = pytest.mark.usefixtures("logs")

INVALID = grpc.StatusCode.INVALID_ARGUMENT

REFUSED = grpc.StatusCode.FAILED_PRECONDITION

LONG = DOMAIN.workload("c" * 63, "s" * 63)

WRONG_NAME = "for another name than identity"

LABELS = ".".join(["a" * 49] * 5) + ".abcd"


class TestBadInput:
    """Each ends with its status and a message that names what is wrong."""

    @pytest.mark.parametrize(
        ("identity", "names", "code", "says"),
        [
            (IDENTITY, [f"n{n}.example" for n in range(300)], REFUSED, "and has 300"),
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
            "300 names", "wildcard", "dot in the request", "wildcard identity", "upper case",
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

    async def test_trailing_bytes(self, server: Server) -> None:
        for tail in (b"\0", b"\n", make_csr()):
            code, message = await server.refusal(csr=make_csr() + tail)
            assert (code, "PKCS#10" in message) == (INVALID, True)


class TestIssuer:
    async def test_i30_expired(self, server: Server) -> None:
        await server.clock.advance(timedelta(days=366).total_seconds())
        code, message = await server.refusal()
        assert code is REFUSED
        assert "has expired on 2031-05-17T12:00:10Z, and now it is 2031-05-18T12:00:00Z" in message
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
        self, server: Server, verdict: Verdict, code: grpc.StatusCode, says: str
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
