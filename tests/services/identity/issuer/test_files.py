"""Files that change: the kubelet's swap, plain writes, and everything that cannot be used."""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from linkerd.certificates import make_issuer
from linkerd.runtime.reload import RETRY
from services.identity.errors import IssuerUntrustedError
from tests.support.certificates import (
    DOMAIN,
    Credentials,
    certificate_pem,
    key_pem,
    make_ca,
    p256,
)
from tests.support.identity.reloads import NOW, Installation


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    running = Installation(tmp_path)
    async with asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(running.reloader.run())
        await running.clock.wait_for_sleepers()
        yield running
        follower.cancel()


class TestTaken:
    async def test_i40_swap(self, installation: Installation) -> None:
        new = installation.another()
        installation.put_issuer(new)
        await installation.looks()
        assert installation.signs(new)
        assert installation.events.reasons == ["IssuerUpdated"]
        assert installation.events.messages == ["Updated identity issuer"]
        assert installation.number("identity_issuer_updates_total", result="updated") == 1
        assert installation.updates == 1

    async def test_i41_written_in_place(self, installation: Installation) -> None:
        """Upstream hears of `..data` only."""
        new = installation.another()
        (installation.issuer.path / "crt.pem").write_bytes(new.issuer.certificate_pem)
        (installation.issuer.path / "key.pem").write_bytes(new.issuer.key_pem)
        await installation.looks()
        assert installation.signs(new)

    async def test_i44_a_directory_that_was_away(self, installation: Installation) -> None:
        """No watch to lose: what comes back is seen."""
        away = installation.issuer.path.with_name("away")
        installation.issuer.path.rename(away)
        await installation.looks(5)
        assert installation.signs(installation.credentials)
        away.rename(installation.issuer.path)
        new = installation.another()
        installation.put_issuer(new)
        await installation.looks()
        assert installation.signs(new)
        assert installation.events.reasons == ["IssuerUpdateSkipped", "IssuerUpdated"]
        assert installation.number("identity_issuer_files_skipped") == 0

    async def test_half_written(self, installation: Installation) -> None:
        """A look between the two writes is not believed."""
        new = installation.another()
        (installation.issuer.path / "crt.pem").write_bytes(new.issuer.certificate_pem)
        await installation.looks(1)
        (installation.issuer.path / "key.pem").write_bytes(new.issuer.key_pem)
        await installation.looks(2)
        assert installation.signs(new)
        assert installation.events.reasons == ["IssuerUpdated"]

    async def test_a_new_anchor_with_its_issuer(self, installation: Installation) -> None:
        """Manual rotation, in order: both anchors, then the issuer, then only the new anchor."""
        new = Credentials.make(now=NOW)
        old_root, new_root = installation.credentials.anchor, new.anchor
        installation.put_roots(old_root.certificate, new_root.certificate)
        await installation.looks()
        assert installation.signs(installation.credentials)
        assert len(installation.slot.loaded().anchors) == 2
        installation.put_issuer(new)
        await installation.looks()
        assert installation.signs(new)
        installation.put_roots(new_root.certificate)
        await installation.looks()
        assert installation.slot.loaded().anchors == (new_root.certificate,)
        assert installation.events.reasons == ["IssuerUpdated"] * 3

    async def test_an_issuer_before_its_anchor(self, installation: Installation) -> None:
        """In the wrong order the issuer is skipped until the anchor is there."""
        new = Credentials.make(now=NOW)
        installation.put_issuer(new)
        await installation.looks()
        assert installation.signs(installation.credentials)
        installation.put_roots(installation.credentials.anchor.certificate, new.anchor.certificate)
        await installation.looks()
        assert installation.signs(new)
        assert installation.events.reasons == ["IssuerUpdateSkipped", "IssuerUpdated"]

    async def test_not_valid_yet(self, installation: Installation) -> None:
        """Time heals: nothing else needs to change."""
        anchor = installation.credentials.anchor
        later = make_issuer(DOMAIN, anchor, now=NOW + timedelta(minutes=10))
        new = Credentials(anchor, later)
        installation.put_issuer(new)
        await installation.looks()
        assert installation.events.reasons == ["IssuerUpdateSkipped"]
        assert (
            "is not valid before 2030-05-17T12:09:50Z, and now it is"
            in installation.events.messages[0]
        )
        await installation.clock.advance(700)
        assert installation.signs(new)
        assert installation.events.reasons == ["IssuerUpdateSkipped", "IssuerUpdated"]

    async def test_a_clock_that_ran_fast(self, installation: Installation) -> None:
        """What was refused meanwhile is tried again when it is due, however far back the clock was
        set."""
        new = installation.another()
        installation.clock.correct(timedelta(days=2000))
        installation.put_issuer(new)
        await installation.looks()
        assert installation.events.reasons == ["IssuerUpdateSkipped"]
        assert "expired" in installation.events.messages[0]
        installation.clock.correct(timedelta(days=-2000))
        await installation.clock.advance(RETRY + 10)
        assert installation.signs(new)

    async def test_an_expired_issuer_is_replaced(self, installation: Installation) -> None:
        anchor, lifetime = installation.credentials.anchor, timedelta(minutes=10)
        brief = make_issuer(DOMAIN, anchor, lifetime=lifetime, now=NOW)
        installation.put_issuer(Credentials(anchor, brief))
        await installation.looks()
        await installation.clock.advance(660)
        with pytest.raises(IssuerUntrustedError, match="has expired"):
            installation.slot.take(installation.clock.now())
        new = installation.another()
        installation.put_issuer(new)
        await installation.looks()
        assert installation.signs(new)


class TestSkipped:
    async def skipped(self, installation: Installation, says: str) -> None:
        """Said once, in all ways, and the old issuer stays; the next good one is taken."""
        await installation.looks(2)
        await installation.clock.advance(RETRY * 5)
        assert installation.signs(installation.credentials)
        assert installation.events.reasons == ["IssuerUpdateSkipped"]
        assert says in installation.events.messages[0]
        assert installation.number("identity_issuer_updates_total", result="skipped") == 1
        assert installation.number("identity_issuer_files_skipped") == 1
        new = installation.another()
        installation.put(new)
        await installation.looks()
        assert installation.signs(new)
        assert installation.number("identity_issuer_files_skipped") == 0

    async def test_i42_foreign_key(self, installation: Installation) -> None:
        installation.put_issuer(installation.another(), key=key_pem(p256()))
        await self.skipped(installation, "key does not belong to the issuer certificate")

    async def test_i43_foreign_root(self, installation: Installation) -> None:
        installation.put_issuer(Credentials.make(now=NOW))
        await self.skipped(installation, "has the name of whoever issued")

    async def test_i39_not_a_ca(self, installation: Installation) -> None:
        anchor, key = installation.credentials.anchor, p256()
        leaf = make_ca("leaf", key, (anchor.certificate, anchor.key), ca=False, start=NOW)
        installation.issuer.put(crt_pem=certificate_pem(leaf), key_pem=key_pem(key))
        await self.skipped(installation, "not a CA")

    async def test_cut_in_the_middle(self, installation: Installation) -> None:
        new = installation.another().issuer
        text = new.certificate_pem[:-100]
        installation.issuer.put(crt_pem=text, key_pem=new.key_pem)
        await self.skipped(installation, "crt.pem")

    async def test_empty(self, installation: Installation) -> None:
        installation.issuer.put(crt_pem=b"", key_pem=b"")
        await self.skipped(installation, "key.pem: no PEM block")

    async def test_a_file_is_missing(self, installation: Installation) -> None:
        installation.issuer.put(crt_pem=installation.another().issuer.certificate_pem)
        await self.skipped(installation, "cannot read")

    async def test_a_file_that_is_away_for_one_look(self, installation: Installation) -> None:
        """As in the middle of a swap: not worth a word."""
        key = installation.issuer.path / "key.pem"
        key.rename(key.with_name("away"))
        await installation.looks(1)
        key.with_name("away").rename(key)
        await installation.looks(3)
        assert installation.events.said == []

    async def test_expired_when_it_comes(self, installation: Installation) -> None:
        anchor = installation.credentials.anchor
        old = make_issuer(DOMAIN, anchor, now=NOW - timedelta(days=400))
        installation.put_issuer(Credentials(anchor, old))
        await self.skipped(installation, "has expired on")

    async def test_anchors_that_leave_the_issuer_behind(self, installation: Installation) -> None:
        installation.put_roots(Credentials.make(now=NOW).anchor.certificate)
        await self.skipped(installation, "has the name of whoever issued")

    async def test_broken_anchors(self, installation: Installation) -> None:
        installation.bundle.put(**{"ca-bundle_crt": b"# to be filled in\n"})
        await self.skipped(installation, "ca-bundle.crt")

    async def test_no_key_is_said(
        self, installation: Installation, logs: list[MutableMapping[str, Any]]
    ) -> None:
        """A key file that is no key, as when the files are mixed up, stays a secret."""
        key = installation.another().issuer.key_pem
        installation.issuer.put(crt_pem=key, key_pem=key)
        await installation.looks()
        secret = key.decode().splitlines()[1]
        assert installation.events.reasons == ["IssuerUpdateSkipped"]
        assert secret not in str(logs) + str(installation.events.said)
