"""The gRPC service `io.linkerd.proxy.identity.Identity`: one unary method, Certify.

Checks run in upstream's order, so that of several mistakes the same one is reported: issuer,
fields, CSR, issuer's trust, names, token, then key and signing. Parsing CSRs larger than those of
proxies, which comes before anybody is known, runs in `readers`, a thread. Verifying a CSR's
signature and signing (0.2 ms for the keys of proxies) come last, for callers that the API server
knows, and run on the loop: the library keeps the interpreter's lock meanwhile, so that threads
would let nothing else run either, and would cost the hand-over.
A call takes the issuer once: one that is replaced meanwhile still finishes its calls.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Final

import grpc

from linkerd.rpc.methods import Call, ServiceTable, service
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.stubs.proxy import identity_pb2
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest, CertifyResponse
from services.identity.errors import (
    CallError,
    InvalidRequestError,
    IssuerNotReadyError,
    IssuerUntrustedError,
    RefusedError,
    ReviewRefusedError,
    ReviewUnavailableError,
    UnsignableKeyError,
    shown,
)
from services.identity.issuer import csr
from services.identity.issuer.issuer import IssuerSlot
from services.identity.issuer.leaf import issue, validity
from services.identity.metrics import Metrics
from services.identity.model import Issuer, Leaf, LeafPolicy, SigningRequest
from services.identity.notices import Notices
from services.identity.tokens.judge import TokenJudge, decode
from services.identity.wire import certify_response

STATUSES: Final[Mapping[type[Exception], grpc.StatusCode]] = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    RefusedError: grpc.StatusCode.FAILED_PRECONDITION,
    UnsignableKeyError: grpc.StatusCode.INTERNAL,
    IssuerNotReadyError: grpc.StatusCode.UNAVAILABLE,
    # A plain error upstream, which gRPC calls unknown. This one names whose turn it is.
    IssuerUntrustedError: grpc.StatusCode.FAILED_PRECONDITION,
    # Upstream says INTERNAL; this one tells people and retrying clients that waiting helps.
    ReviewUnavailableError: grpc.StatusCode.UNAVAILABLE,
    ReviewRefusedError: grpc.StatusCode.INTERNAL,
}
_CLIENTS_FAULT: Final = (InvalidRequestError, RefusedError, UnsignableKeyError)
_MAX_NAME: Final = 253

_log = get_logger(__name__)


class Identity:
    """Answers Certify."""

    def __init__(
        self,
        issuers: IssuerSlot,
        tokens: TokenJudge,
        policy: LeafPolicy,
        clock: Clock,
        *,
        readers: Executor,
        metrics: Metrics,
        notices: Notices,
    ) -> None:
        self._issuers = issuers
        self._tokens = tokens
        self._policy = policy
        self._clock = clock
        self._readers = readers
        self._metrics = metrics
        self._notices = notices

    def table(self) -> ServiceTable:
        """For a gRPC engine."""
        descriptor = identity_pb2.DESCRIPTOR.services_by_name["Identity"]
        return service(descriptor, errors=STATUSES, Certify=self.certify)

    async def certify(self, request: CertifyRequest, call: Call) -> CertifyResponse:
        """A certificate for the workload whose token the request holds. Raises CallError."""
        began, identity = time.perf_counter(), request.identity
        working = self._certify(identity, request.token, request.certificate_signing_request)
        del request  # calls may wait for long, each with its token once and no more
        try:
            return await working
        except CallError as error:
            log = _log.info if isinstance(error, _CLIENTS_FAULT) else _log.warning
            log(
                "not certified",
                identity=shown(identity),
                peer=call.peer,
                code=STATUSES[type(error)].name,
                error=str(error),
            )
            raise
        finally:
            self._metrics.certify.observe(time.perf_counter() - began)

    async def _certify(self, identity: str, token: bytes, der: bytes) -> CertifyResponse:
        self._issuers.loaded()
        _check_fields(identity, token, der)
        wanted = await self._parse(der)
        issuer = self._issuer_for(wanted)
        csr.check_names(wanted, identity)
        text = decode(token)
        del token
        await self._check_token(identity, text)
        leaf = self._sign(issuer, wanted, identity)
        _log.info(
            "certified",
            identity=identity,
            expires=leaf.not_after.isoformat(),
            sha256=leaf.sha256,
        )
        self._notices.issued(identity, leaf)
        return certify_response(leaf, issuer)

    async def _parse(self, der: bytes) -> SigningRequest:
        """The facts of a request. Raises InvalidRequestError."""
        csr.check_size(der)
        if len(der) <= csr.SMALL_BYTES:
            return csr.parse(der)
        return await asyncio.get_running_loop().run_in_executor(self._readers, csr.parse, der)

    def _issuer_for(self, wanted: SigningRequest) -> Issuer:
        """The issuer, if it is trusted now. Raises IssuerNotReadyError, IssuerUntrustedError."""
        try:
            return self._issuers.take(self._clock.now())
        except IssuerUntrustedError as error:
            asker = shown(wanted.dns_names[0]) if wanted.dns_names else "a request without a name"
            self._notices.issuer_validation_failed(f"{error} (asked for {asker})")
            raise

    async def _check_token(self, identity: str, token: str) -> None:
        found = await self._tokens.identity_of(token)
        if found != identity:
            raise RefusedError(
                "identity is not that of the token's ServiceAccount: "
                f"requested={shown(identity)} found={shown(found)}"
            )

    def _sign(self, issuer: Issuer, wanted: SigningRequest, identity: str) -> Leaf:
        began = time.perf_counter()
        public_key = csr.check_key(wanted)
        csr.check_possession(wanted)
        window = validity(self._policy, self._clock.now(), issuer.not_after)
        leaf = issue(issuer, wanted, public_key, identity, window)
        self._metrics.sign.observe(time.perf_counter() - began)
        return leaf


def _check_fields(identity: str, token: bytes, der: bytes) -> None:
    if not identity:
        raise InvalidRequestError("identity is missing: it is the name to certify")
    if len(identity) > _MAX_NAME:
        raise InvalidRequestError(
            f"identity has {len(identity)} characters; DNS names have at most {_MAX_NAME}"
        )
    if not token:
        raise InvalidRequestError("token is missing: it is the workload's ServiceAccount token")
    if not der:
        raise InvalidRequestError("certificate_signing_request is missing: it is PKCS#10 in DER")
