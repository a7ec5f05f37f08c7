"""Certify over real gRPC on loopback: statuses in their order, and what a workload gets.

Certificates are real too; only the API server's verdicts are scripted here. What a real one says is
in `test_with_api_server.py`.
"""

import asyncio
import hashlib
import threading
from datetime import UTC, timedelta
from itertools import cycle

import grpc
import grpc.aio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from linkerd.kube.recorder import ObjectRef
from linkerd.kube.reviews import TokenReviewStatus
from services.identity.issuer import csr
from services.identity.model import SigningRequest
from tests.support.certificates import DOMAIN, IDENTITY, Credentials, make_csr, p256, rsa_key
from tests.support.identity.service import Server, leaf_of, user

pytestmark = pytest.mark.usefixtures("logs")

INVALID = grpc.StatusCode.INVALID_ARGUMENT
REFUSED = grpc.StatusCode.FAILED_PRECONDITION
LONG = DOMAIN.workload("c" * 63, "s" * 63)


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
        csr = make_csr(key=rsa_key(2048))
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

    @pytest.mark.parametrize(("names", "where"), [(1, "MainThread"), (300, "read")])
    async def test_large_csrs_are_parsed_where_they_hold_up_nobody(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, names: int, where: str
    ) -> None:
        threads, parse = list[str](), csr.parse

        def noted(der: bytes) -> SigningRequest:
            threads.append(threading.current_thread().name)
            return parse(der)

        monkeypatch.setattr(csr, "parse", noted)
        await server.refusal(csr=make_csr(names=[x509.DNSName("other.example")] * names))
        (thread,) = threads
        assert thread.startswith(where)

    @pytest.mark.parametrize("size", [200_000, 10 << 20])
    async def test_messages_that_are_too_large(self, server: Server, size: int) -> None:
        code, _ = await server.refusal(token=bytes(size))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        await server.certify()

    @pytest.mark.parametrize(
        ("token", "csr", "says"),
        [
            (bytes(60_000), None, "token has 60000 bytes; at most 16384"),
            (b"a-token", bytes(60_000), "request has 60000 bytes; at most 8192"),
        ],
    )
    async def test_parts_that_are_too_large(
        self, server: Server, token: bytes, csr: bytes | None, says: str
    ) -> None:
        """Which one is said."""
        code, message = await server.refusal(token=token, csr=csr)
        assert code is INVALID
        assert says in message
        assert server.reviewer.asked == []

    async def test_a_message_that_is_none(self, server: Server) -> None:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
        call = server.channel.unary_unary("/io.linkerd.proxy.identity.Identity/Certify")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff")
        assert caught.value.code() is INVALID
        assert "CertifyRequest" in str(caught.value.details())
