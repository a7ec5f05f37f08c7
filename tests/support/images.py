"""A small image for pods of tests: busybox from Debian, with a shell, wget, nc, nslookup, httpd."""

from pathlib import Path
from typing import Final

from linkerd.local.errors import MissingProgramError
from linkerd.local.images import program_image
from linkerd.local.packages import Need, ensure
from linkerd.local.progress import SilentProgress

_NEED: Final = Need("busybox", "busybox-static", "is the image of pods in tests")


def write_busybox_archive(folder: Path) -> tuple[str, Path]:
    """Name and OCI archive (a new file in `folder`) of an image whose only program is busybox.

    Raises MissingProgramError where busybox is missing and cannot be installed.
    """
    ensure((_NEED,), SilentProgress())
    program = _NEED.path
    if program is None:
        raise MissingProgramError("busybox is not on this machine")
    name, archive = program_image("linkerd-test-busybox", "bin/busybox", program)
    file = folder / "busybox.tar"
    file.write_bytes(archive)
    return name, file
