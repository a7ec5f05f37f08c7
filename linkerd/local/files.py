"""Write files that only their owner reads, whole or not at all; hold locks that die with us."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """Make the folder, readable by its owner alone, unless it is there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(file: Path, content: bytes | str) -> Path:
    """Replace `file` in one step, with mode 0600. Its folder is made when missing."""
    data = content.encode() if isinstance(content, str) else content
    private_folder(file.parent)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return file


def keep_private(file: Path, content: str) -> Path:
    """As `write_private`, unless the file says so already."""
    if not (file.exists() and file.read_text() == content):
        write_private(file, content)
    return file


@contextmanager
def locked(file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of `file`; the kernel lets go when the process dies.

    The holder may delete the file: whoever waited for it takes the lock of its successor. The value
    is False, and nothing is held, when `wait` is off and another holds it.
    """
    private_folder(file.parent)
    descriptor = _lock(file, wait=wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(file: Path, *, wait: bool) -> int | None:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _is_current(descriptor, file):
            return descriptor
        os.close(descriptor)


def _is_current(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
