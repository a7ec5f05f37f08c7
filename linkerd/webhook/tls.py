"""The certificate that we serve by, and whom we take for a client: what may change while we serve.

Every connection is made with the context that is current when it is accepted; a change makes a new
context, so nothing of an old one stays behind. Sessions are never resumed, since one would outlive
the trust in the client that it was made with.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CollectorRegistry, Gauge

from linkerd.runtime.clock import Clock
from linkerd.runtime.errors import FilesError
from linkerd.runtime.files import Contents, FileSet
from linkerd.runtime.key_pairs import load_key_pair
from linkerd.runtime.logs import get_logger
from linkerd.runtime.reminders import LOOK, Reminders, usual_threshold
from linkerd.trust.describe import describe, ending, name
from linkerd.trust.errors import TrustProblem
from linkerd.trust.serving import ServerPair, read_server_pair, require_names, require_valid

SERVING_CERTIFICATE: Final = "serving_cert"
"""Begins the metrics of the certificate that HTTPS is served by, or of the first of several."""

_PROTOCOLS: Final = ["http/1.1"]
_ADVICE: Final = "renew it, as docs/certificates.md says; clients refuse it after that"

_log = get_logger(__name__)


class Tls(Protocol):
    """What connections are made with."""

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection is to be made with."""


class ServerTls:
    """The current `context`, made of the files `certificate` and `key`.

    `names` are the DNS names that clients call us by: a certificate without one of them is refused.
    Call `load` first. Reloaded by `linkerd.runtime.reload`, which this is the user of. `metric`
    begins the names of its metrics.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        names: Sequence[str] = (),
        minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        clock: Clock,
        registry: CollectorRegistry,
        metric: str = SERVING_CERTIFICATE,
    ) -> None:
        self.files = FileSet((certificate, key))
        self.names = names
        self._paths = certificate, key
        self._minimum = minimum
        self._clock = clock
        self._clients: tuple[x509.Certificate, ...] = ()
        self._pair: ServerPair | None = None
        self._context: ssl.SSLContext | None = None
        Gauge(
            f"{metric}_ttl_seconds",
            "Seconds until the certificate that HTTPS is served by ends; negative after that.",
            registry=registry,
        ).set_function(self.seconds_left)

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection is to be made with. `load` must have been called."""
        if self._context is None:
            raise RuntimeError("no certificate is loaded")
        return self._context

    def load(self) -> None:
        """Reads the files now. Raises FilesError when they cannot be used at any time.

        A certificate that is out of its time is said and served all the same: clients refuse it,
        and the rest of the process need not suffer until it is replaced.
        """
        pair = self._read(self.files.load())
        self._use(pair)
        try:
            require_valid(pair, self._clock.now())
        except TrustProblem as problem:
            _log.error(
                "clients will refuse our certificate until it is replaced", error=str(problem)
            )

    def make(self, contents: Contents) -> ServerPair:
        """The pair of the files, if it can serve now. Raises FilesError."""
        pair = self._read(contents)
        try:
            require_valid(pair, self._clock.now())
        except TrustProblem as problem:
            raise FilesError(str(problem)) from problem
        return pair

    def take(self, pair: ServerPair) -> None:
        """Serves by this pair from now on."""
        self._use(pair)
        _log.info(
            "serving certificate updated",
            name=describe(pair.certificate),
            expires=pair.window.end.isoformat(),
        )

    def refuse(self, why: str) -> None:
        """Says that the files were not taken."""
        _log.error(
            "serving certificate not updated: the one that was loaded before stays", error=why
        )

    def trust_clients(self, roots: Sequence[x509.Certificate]) -> None:
        """Asks clients for certificates that one of these issued, from the next connection on.

        Those with none are served too, those with a wrong one are not; without roots nobody is
        asked."""
        self._clients = tuple(roots)
        if self._pair is not None:
            self._use(self._pair)

    async def watch_end(self) -> None:
        """Warns of the end of the certificate in use, for as long as the process lives."""
        reminders = Reminders(self._clock)
        while True:
            if self._pair is not None:
                self._warn(self._pair.certificate, reminders)
            await self._clock.sleep(LOOK.total_seconds())

    def _warn(self, certificate: x509.Certificate, reminders: Reminders) -> None:
        reminders.keep([certificate])
        if reminders.is_due(certificate, usual_threshold(certificate)):
            _log.warning(
                f"serving certificate {name(certificate.subject)} "
                f"{ending(certificate, self._clock.now())}: {_ADVICE}",
                expires=certificate.not_valid_after_utc.isoformat(),
            )

    def seconds_left(self) -> float:
        """Until the certificate ends; NaN before there is one."""
        if self._pair is None:
            return float("nan")
        return (self._pair.window.end - self._clock.now()).total_seconds()

    @property
    def certificate(self) -> x509.Certificate | None:
        """The one that we serve by."""
        return None if self._pair is None else self._pair.certificate

    def _read(self, contents: Contents) -> ServerPair:
        certificate, key = self._paths
        try:
            pair = read_server_pair(
                contents[certificate],
                contents[key],
                certificate_at=str(certificate),
                key_at=str(key),
            )
            require_names(pair, self.names)
        except TrustProblem as problem:
            raise FilesError(str(problem)) from problem
        return pair

    def _use(self, pair: ServerPair) -> None:
        self._context = _context(pair, self._clients, self._minimum)
        self._pair = pair


class NamedCertificates:
    """Several certificates, of which each client gets that of the name it asks for (SNI, RFC 6066);
    the first, where it asks for no name or another. All are loaded and reloaded by themselves."""

    def __init__(self, first: ServerTls, *others: ServerTls) -> None:
        self._first = first
        self._by_name = {name: tls for tls in (first, *others) for name in tls.names}

    @property
    def context(self) -> ssl.SSLContext:
        """What the next connection is to be made with."""
        context = self._first.context
        context.sni_callback = self._choose
        return context

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> None:
        tls = self._by_name.get((name or "").lower(), self._first)
        connection.context = tls.context


def _context(
    pair: ServerPair, clients: Sequence[x509.Certificate], minimum: ssl.TLSVersion
) -> ssl.SSLContext:
    """Raises FilesError when OpenSSL does not take the pair, as keys that its level forbids."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = minimum
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols(_PROTOCOLS)
    try:
        load_key_pair(context, pair.pem)
        if clients:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
            bundle = b"".join(each.public_bytes(Encoding.PEM) for each in clients)
            context.load_verify_locations(cadata=bundle.decode("ascii"))
    except ssl.SSLError as error:
        raise FilesError(f"{pair.where}: OpenSSL does not take it: {error.reason}") from error
    return context
