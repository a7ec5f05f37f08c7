"""A mounted Secret or ConfigMap, for tests."""

import shutil
from contextlib import suppress
from pathlib import Path


class Mount:
    """A volume as kubelet makes it: files are links through `..data` to a dated directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = 0
        path.mkdir()

    def put(self, **files: bytes) -> None:
        """The atomic swap; names have `_` for a dot."""
        self._number += 1
        dated = self.path / f"..2030_05_17_{self._number}"
        dated.mkdir()
        for name, content in files.items():
            (dated / name.replace("_", ".")).write_bytes(content)
        link = self.path / "..data_tmp"
        link.symlink_to(dated.name)
        data = self.path / "..data"
        old = data.readlink() if data.is_symlink() else None
        link.rename(data)
        for name in files:
            with suppress(FileExistsError):
                (self.path / name.replace("_", ".")).symlink_to(f"..data/{name.replace('_', '.')}")
        if old is not None:
            shutil.rmtree(self.path / old)
