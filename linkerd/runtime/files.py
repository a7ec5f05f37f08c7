"""Files that belong together and change under us: certificates, keys, trust bundles.

Read by content, because kubelet replaces mounted Secrets by swapping a symlink, which file
notification misses in several ways. A change is reported only when two consecutive looks at the
whole set agree, so that a pair is never half old and half new.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from linkerd.runtime.errors import FilesError

Contents = Mapping[Path, bytes]

MAX_BYTES: Final = 4 << 20  # of one file; a trust bundle of thousands of roots is less


class FileSet:
    """The contents of `paths`, as of the looks that somebody takes.

    `snapshot` is what was loaded or reported last; `problem` says why the latest look failed, None
    when it did not. While the files cannot be read the last snapshot stands.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)
        self.snapshot: Contents = {}
        self.problem: str | None = None
        self._before: Contents | None = None

    def load(self) -> Contents:
        """Reads the set now and makes it the snapshot. Raises FilesError, which names the file."""
        self.snapshot = self._read()
        return self.snapshot

    async def look(self) -> Contents | None:
        """New contents, if this look and the one before found the same; they are the snapshot then.

        Reads off the loop: a disk that hangs, or a network's, must stop nothing else.
        """
        seen = await self._seen()
        rests = seen is not None and seen == self._before
        self._before = seen
        if seen is None or not rests or seen == self.snapshot:
            return None
        self.snapshot = seen
        return seen

    async def _seen(self) -> Contents | None:
        try:
            contents = await asyncio.to_thread(self._read)
        except FilesError as error:
            self.problem = str(error)
            return None
        self.problem = None
        return contents

    def _read(self) -> Contents:
        return {path: _read_file(path) for path in self.paths}


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            contents = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise FilesError(f"cannot read {path}: {error.strerror or error}") from error
    if len(contents) > MAX_BYTES:
        raise FilesError(f"{path} is larger than {MAX_BYTES >> 20} MiB")
    return contents
