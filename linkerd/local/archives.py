"""From what a person calls an image to an archive of it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from linkerd.local.errors import LocalError
from linkerd.local.system import run, system_path

# How each tool says whether it has an image, and how it saves one. The first that has it is asked.
_TOOLS: Final = {
    "buildah": (("inspect", "--type=image"), "push", "oci-archive:{file}:{name}"),
    "podman": (("image", "exists"), "push", "oci-archive:{file}:{name}"),
    "docker": (("image", "inspect"), "save", "--output={file}"),
}


@contextmanager
def archive_of(image: str) -> Iterator[Path]:
    """`image` itself when it is a file, else an archive saved by a tool that has it, for a while.

    Raises LocalError when there is neither such a file nor such an image.
    """
    if (file := Path(image)).is_file():
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="linkerd-image-") as folder:
        yield _save(image, Path(folder) / "image.tar")


def _save(image: str, file: Path) -> Path:
    for tool, (asking, verb, target) in _TOOLS.items():
        if (program := shutil.which(tool, path=system_path())) and _has(program, asking, image):
            run(program, verb, *_order(tool, image, target.format(file=file, name=image)))
            return file
    raise LocalError(
        f"{image} is neither a file nor an image that {', '.join(_TOOLS)} has on this machine; "
        f"build it first, or save it to a file and name that"
    )


def _has(program: str, asking: tuple[str, ...], image: str) -> bool:
    try:
        run(program, *asking, image)
    except LocalError:
        return False
    return True


def _order(tool: str, image: str, target: str) -> tuple[str, str]:
    return (target, image) if tool == "docker" else (image, target)
