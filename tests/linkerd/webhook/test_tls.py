"""What HTTPS is served by changes under connections, and only for something that can serve."""

import asyncio
import ssl
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from linkerd.certificates import make_server
from linkerd.runtime.errors import FilesError
from linkerd.runtime.metrics import registry
from linkerd.runtime.reload import Reloader, ReloadMetrics
from tests.support.certificates import key_pem, p256
from tests.support.clock import FakeClock
from tests.support.inline import without_threads
from tests.support.webhooks.served import DAY, Certificates, Served, for_clients, served
from tests.support.webhooks.toys import NAME

Log = list[MutableMapping[str, Any]]
TLS_1_2 = ssl.TLSVersion.TLSv1_2


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    with capture_logs() as entries:
        yield entries


async def serial(server: Served, trust: ssl.SSLContext | None = None) -> int:
    """Of the certificate that a new connection is served by."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", server.port, ssl=trust or server.trust, server_hostname=NAME
    )
    try:
        certificate = writer.get_extra_info("peercert")
        return int(certificate["serialNumber"], 16)
    finally:
        writer.close()


class TestVersions:
    async def test_1_2_is_refused(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            server.trust.maximum_version = TLS_1_2
            with pytest.raises(aiohttp.ClientConnectorError):
                await server.review()
            assert server.number("https_handshakes_failed_total") == 1

    async def test_1_2_is_taken_where_a_service_says_so(self, tmp_path: Path) -> None:
        certificates = Certificates(tmp_path / "tls")
        tls = certificates.tls(minimum=TLS_1_2)
        tls.load()
        assert tls.context.minimum_version == TLS_1_2


class TestReloading:
    async def test_new_connections_see_the_new_one_and_old_ones_live_on(
        self, tmp_path: Path
    ) -> None:
        async with served(tmp_path) as server:
            await server.review()
            old = await serial(server)
            new = server.certificates.renew()
            server.tls.take(server.tls.make(server.tls.files.load()))
            assert await serial(server) == new.certificate.serial_number != old
            await server.review()
            assert server.number("https_responses_total", code="200") == 2

    @pytest.mark.parametrize(
        ("fault", "says"),
        [
            ("foreign key", r"tls\.key: this key does not belong to CN=toy\.test\.svc"),
            ("another name", r"is not for toy\.test\.svc \(its alternative names: other\.svc\)"),
            ("ended", r"tls\.crt: CN=toy\.test\.svc .* has expired on"),
            ("not yet valid", "is not valid before"),
            ("no server", "lack serverAuth"),
            ("swapped", r"tls\.crt: no certificates: the first block is 'PRIVATE KEY'"),
            ("empty", r"tls\.crt: it is empty"),
        ],
    )
    async def test_what_cannot_serve_is_kept_out_and_said_once(
        self, tmp_path: Path, log: Log, fault: str, says: str
    ) -> None:
        without_threads()
        certificates = Certificates(tmp_path / "tls")
        clock, numbers = FakeClock(datetime.now(UTC)), registry()
        tls = certificates.tls(clock, registry=numbers, names=[NAME])
        tls.load()
        before, metrics = tls.certificate, ReloadMetrics(numbers, "serving_cert", "the files")
        reloader = Reloader(tls.files, tls, metrics, interval=timedelta(seconds=1), clock=clock)
        task = asyncio.create_task(reloader.run())
        certificates.put(*spoilt(certificates, fault))
        await clock.advance(200)
        assert tls.certificate == before
        assert numbers.get_sample_value("serving_cert_files_skipped") == 1
        (said,) = [entry for entry in log if "not updated" in entry["event"]]
        with pytest.raises(FilesError, match=says):
            raise FilesError(said["error"])
        assert "PRIVATE KEY-----" not in str(log)
        new = certificates.renew()
        await clock.advance(2)
        assert tls.certificate == new.certificate
        assert numbers.get_sample_value("serving_cert_files_skipped") == 0
        task.cancel()

    async def test_one_that_ended_before_the_start_is_served_and_said(
        self, tmp_path: Path, log: Log
    ) -> None:
        """The rest of the process need not suffer, and a good one is taken when it comes."""
        certificates = Certificates(tmp_path / "tls")
        certificates.put(*spoilt(certificates, "ended"))
        numbers = registry()
        tls = certificates.tls(registry=numbers)
        tls.load()
        assert "has expired" in log[0]["error"]
        assert (numbers.get_sample_value("serving_cert_ttl_seconds") or 0) < 0

    def test_one_that_can_never_serve_ends_the_start(self, tmp_path: Path) -> None:
        certificates = Certificates(tmp_path / "tls")
        certificates.put(*spoilt(certificates, "foreign key"))
        with pytest.raises(FilesError, match="does not belong"):
            certificates.tls().load()

    async def test_its_end_is_warned_of_once_a_day(self, tmp_path: Path, log: Log) -> None:
        clock = FakeClock(datetime.now(UTC))
        tls = Certificates(tmp_path / "tls").tls(clock)
        tls.load()
        task = asyncio.create_task(tls.watch_end())
        hour = 3600
        await clock.advance(19 * hour)  # of the day that it lasts
        assert log == []
        await clock.advance(hour)
        (said,) = log
        assert "serving certificate CN=toy.test.svc expires in 4." in said["event"]
        await clock.advance(6 * hour)
        assert len(log) == 2
        assert "has expired on" in log[1]["event"]
        task.cancel()

    def test_how_long_it_lasts_is_a_metric(self, tmp_path: Path) -> None:
        numbers = registry()
        Certificates(tmp_path / "tls").tls(registry=numbers).load()
        left = numbers.get_sample_value("serving_cert_ttl_seconds")
        assert left == pytest.approx(DAY.total_seconds(), abs=60)


def spoilt(certificates: Certificates, fault: str) -> tuple[bytes, bytes]:
    """Certificate and key with a fault."""
    pair = certificates.issue()
    good = pair.certificate_pem, pair.key_pem
    long_ago, soon = (datetime.now(UTC) + timedelta(days=days) for days in (-9, 0.5))
    match fault:
        case "foreign key":
            return good[0], key_pem(p256())
        case "another name":
            other = certificates.issue("other.svc")
            return other.certificate_pem, other.key_pem
        case "ended" | "not yet valid":
            start = long_ago if fault == "ended" else soon
            at = make_server([NAME], certificates.root, lifetime=timedelta(days=1), now=start)
            return at.certificate_pem, at.key_pem
        case "no server":
            client = for_clients(NAME)
            return client.certificate_pem, client.key_pem
        case "swapped":
            return good[1], good[0]
        case _:
            return b"", good[1]
