"""What the nodes of this machine share on the host: folders to mount over, and forwarding.

Several clusters may have a node each, so the first makes these and the last takes them away: a
folder that is removed under another node would take that node's mount with it. What was made is
written down in one place for all, below /run, which a reboot empties like the rest. A node counts
as there while its link is; its own is not counted.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from linkerd.local.files import locked, write_private

LINK_PREFIX: Final = "lnkd"


class Host:
    """The shared traces; `notes` is where they are written down."""

    def __init__(
        self,
        notes: Path = Path("/run/linkerd-local"),
        links: Path = Path("/sys/class/net"),
        forwarding: Path = Path("/proc/sys/net/ipv4/ip_forward"),
    ) -> None:
        self._folders = notes / "made-folders"
        self._forwarding_was_off = notes / "forwarding-was-off"
        self._notes = notes
        self._links = links
        self._forwarding = forwarding

    @contextmanager
    def held(self) -> Iterator[None]:
        """While one node comes or goes, the others wait."""
        with locked(self._notes.with_suffix(".lock")):
            yield

    def ensure(self, folders: Iterable[Path]) -> None:
        """Make `folders`, and let the host forward packets. Call it while `held`."""
        for folder in folders:
            new = [f for f in (folder, *folder.parents) if not f.exists()]
            if new:
                write_private(self._folders, "\n".join([*map(str, new), *self._made()]))
                folder.mkdir(parents=True)
        if self._forwarding.read_text().strip() == "0":
            write_private(self._forwarding_was_off, "")
            self._forwarding.write_text("1")

    def release(self, own_link: str) -> None:
        """Take all of it away unless another node is there. Call it while `held`."""
        if any(link.name != own_link for link in self._links.glob(f"{LINK_PREFIX}*")):
            return
        for folder in self._made():
            with suppress(OSError):  # somebody has put something there since
                Path(folder).rmdir()
        if self._forwarding_was_off.exists():
            self._forwarding.write_text("0")
        for note in (self._folders, self._forwarding_was_off):
            note.unlink(missing_ok=True)
        with suppress(OSError):
            self._notes.rmdir()
        self._notes.with_suffix(".lock").unlink(missing_ok=True)

    def _made(self) -> list[str]:
        """Deepest first within each that was asked for, the latest before the earlier."""
        return self._folders.read_text().splitlines() if self._folders.exists() else []
