"""A reloader of issuer and anchors over volumes as kubelet makes them, for tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from linkerd.certificates import make_issuer
from linkerd.runtime.metrics import registry
from linkerd.runtime.reload import Reloader
from services.identity.issuer.files import IssuerFiles, IssuerUpdates
from services.identity.issuer.issuer import IssuerSlot
from services.identity.metrics import Metrics
from services.identity.notices import Notices
from tests.support.certificates import (
    DOMAIN,
    Credentials,
    certificate_pem,
)
from tests.support.clock import FakeClock
from tests.support.inline import without_threads
from tests.support.mount import Mount
from tests.support.said import SaidEvents

NOW = datetime(2030, 5, 17, 12, tzinfo=UTC)

INTERVAL = 5.0


class Installation:
    """A reloader that follows mounted files, at a time that the test moves."""

    def __init__(self, directory: Path) -> None:
        without_threads()
        self.clock = FakeClock(NOW)
        self.credentials = Credentials.make(now=NOW)
        self.issuer, self.bundle = Mount(directory / "issuer"), Mount(directory / "roots")
        self.put(self.credentials)
        self.events, self.numbers, self.slot = SaidEvents(), registry(), IssuerSlot()
        self.files = IssuerFiles(
            self.issuer.path,
            "linkerd.io/tls",
            self.bundle.path / "ca-bundle.crt",
            DOMAIN,
            self.clock,
        )
        self.slot.put(self.files.load())
        self.updates = 0
        self.reloader = Reloader(
            self.files.files,
            IssuerUpdates(
                self.files, self.slot, Notices(self.events, "mesh-sys"), updated=self._updated
            ),
            Metrics(self.numbers).files,
            interval=timedelta(seconds=INTERVAL),
            clock=self.clock,
        )

    def _updated(self) -> None:
        self.updates += 1

    def put(self, credentials: Credentials) -> None:
        self.put_issuer(credentials)
        self.put_roots(credentials.anchor.certificate)

    def put_issuer(self, credentials: Credentials, key: bytes | None = None) -> None:
        self.issuer.put(
            crt_pem=credentials.issuer.certificate_pem,
            key_pem=credentials.issuer.key_pem if key is None else key,
        )

    def put_roots(self, *roots: x509.Certificate) -> None:
        self.bundle.put(**{"ca-bundle_crt": certificate_pem(*roots)})

    def another(self) -> Credentials:
        """Another issuer below the same anchor."""
        anchor = self.credentials.anchor
        return Credentials(anchor, make_issuer(DOMAIN, anchor, now=self.clock.now()))

    async def looks(self, times: int = 2) -> None:
        """As many looks as a change takes to be believed."""
        for _ in range(times):
            await self.clock.advance(INTERVAL)

    def signs(self, credentials: Credentials) -> bool:
        """Whether that issuer signs now."""
        return self.slot.loaded().certificate == credentials.issuer.certificate

    def number(self, name: str, **labels: str) -> float | None:
        return self.numbers.get_sample_value(name, labels)
