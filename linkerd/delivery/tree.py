"""The source tree that things are delivered from, and digests of its parts.

An image and its manifests come from one clone of this project, never from an installed wheel: the
folders deploy/, demo/ and protos/ are not part of one.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from linkerd.delivery.errors import DeliveryError

ROOT: Final = Path(__file__).resolve().parents[2]

# What the project's wheel is made from; stubs are made from protos/ while it is built.
WHEEL_SOURCES: Final = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "LICENSE",
    "README.md",
    "tools/generate_stubs.py",
    "protos",
    "linkerd",
    "services",
    "dataplane",
)
_GENERATED: Final = ("__pycache__", "stubs")


def require_tree(root: Path = ROOT) -> Path:
    """The root, if it is a clone; DeliveryError says to make one when it is not."""
    if not (root / "deploy" / "base").is_dir():
        raise DeliveryError(f"{root} is not a clone of the project; run this from one")
    return root


def source_files(root: Path, names: Iterable[str] = WHEEL_SOURCES) -> Iterator[Path]:
    """Every file below `names`, sorted, without what is generated. Missing names are skipped."""
    for name in names:
        start = root / name
        files = sorted(start.rglob("*")) if start.is_dir() else [start]
        yield from (f for f in files if f.is_file() and not _is_generated(f.relative_to(root)))


def digest(root: Path, files: Iterable[Path], *words: str) -> str:
    """Twelve hex digits that change with any word, name or content."""
    total = hashlib.sha256("\0".join(words).encode())
    for file in files:
        content = file.read_bytes()
        total.update(f"\0{file.relative_to(root)}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()[:12]


def _is_generated(relative: Path) -> bool:
    return any(part in _GENERATED for part in relative.parts) or relative.suffix == ".pyc"
