"""The gRPC service `io.linkerd.proxy.identity.Identity`: one unary method, Certify.

Checks run in upstream's order, so that of several mistakes the same one is reported: issuer,
fields, CSR, issuer's trust, names, token, then key and signing. What costs CPU runs in threads:
parsing CSRs larger than those of proxies, which comes before anybody is known, in `readers`; and
verifying a CSR's signature and signing, which come last, for callers that the API server knows, in
`signers`.
A call takes the issuer once: one that is replaced meanwhile still finishes its calls.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Final

import grpc

from linkerd.rpc.methods import Call, RpcError, ServiceTable, service
from linkerd.runtime.clock import Clock
from linkerd.runtime.logs import get_logger
from linkerd.stubs.proxy import identity_pb2
from linkerd.stubs.proxy.identity_pb2 import CertifyRequest, CertifyResponse
from services.identity import csr
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
from services.identity.issuer import IssuerSlot
from services.identity.leaf import issue, validity
from services.identity.metrics import Metrics
from services.identity.model import Issuer, Leaf, LeafPolicy, SigningRequest
from services.identity.notices import Notices
from services.identity.tokens import TokenJudge
from services.identity.wire import certify_response

_STATUSES: Final[Mapping[type[CallError], grpc.StatusCode]] = {
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
        signers: Executor,
        metrics: Metrics,
        notices: Notices,
    ) -> None:
        self._issuers = issuers
        self._tokens = tokens
        self._policy = policy
        self._clock = clock
        self._readers = readers
        self._signers = signers
        self._metrics = metrics
        self._notices = notices

    def table(self) -> ServiceTable:
        """For a gRPC engine."""
        descriptor = identity_pb2.DESCRIPTOR.services_by_name["Identity"]
        return service(descriptor, Certify=self.certify)

    async def certify(self, request: CertifyRequest, call: Call) -> CertifyResponse:
        """A certificate for the workload whose token the request holds. Raises RpcError."""
        began = time.perf_counter()
        try:
            return await self._certify(request)
        except CallError as error:
            code = _STATUSES[type(error)]
            log = _log.info if isinstance(error, _CLIENTS_FAULT) else _log.warning
            log(
                "not certified",
                identity=shown(request.identity),
                peer=call.peer,
                code=code.name,
                error=str(error),
            )
            raise RpcError(code, str(error)) from error
        finally:
            self._metrics.certify.observe(time.perf_counter() - began)

    async def _certify(self, request: CertifyRequest) -> CertifyResponse:
        self._issuers.loaded()
        _check_fields(request)
        wanted = await self._parse(request.certificate_signing_request)
        issuer = self._issuer_for(wanted)
        csr.check_names(wanted, request.identity)
        await self._check_token(request)
        leaf = await asyncio.get_running_loop().run_in_executor(
            self._signers, self._sign, issuer, wanted, request.identity
        )
        _log.info(
            "certified",
            identity=request.identity,
            expires=leaf.not_after.isoformat(),
            sha256=leaf.sha256,
        )
        self._notices.issued(request.identity, leaf)
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

    async def _check_token(self, request: CertifyRequest) -> None:
        found = await self._tokens.identity_of(request.token)
        if found != request.identity:
            raise RefusedError(
                "identity is not that of the token's ServiceAccount: "
                f"requested={shown(request.identity)} found={shown(found)}"
            )

    def _sign(self, issuer: Issuer, wanted: SigningRequest, identity: str) -> Leaf:
        """Runs in a thread."""
        began = time.perf_counter()
        public_key = csr.check_key(wanted)
        csr.check_possession(wanted)
        window = validity(self._policy, self._clock.now(), issuer.not_after)
        leaf = issue(issuer, wanted, public_key, identity, window)
        self._metrics.sign.observe(time.perf_counter() - began)
        return leaf


def _check_fields(request: CertifyRequest) -> None:
    if not request.identity:
        raise InvalidRequestError("identity is missing: it is the name to certify")
    if len(request.identity) > _MAX_NAME:
        raise InvalidRequestError(
            f"identity has {len(request.identity)} characters; DNS names have at most {_MAX_NAME}"
        )
    if not request.token:
        raise InvalidRequestError("token is missing: it is the workload's ServiceAccount token")
    if not request.certificate_signing_request:
        raise InvalidRequestError("certificate_signing_request is missing: it is PKCS#10 in DER")
