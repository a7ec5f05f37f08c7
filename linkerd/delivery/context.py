"""The build context of the container image: every wheel that goes into it.

Wheels are made and fetched on the host, by the host's pip with whatever mirror, proxy and
certificates it is set up for; the build itself then needs no network and no address. Dependencies
are those of requirements/runtime.txt, for the Python of the image, whichever runs here. Hashes are
checked twice: when a wheel is fetched, and when the image installs it.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from linkerd.delivery.commands import run
from linkerd.delivery.errors import ImageError
from linkerd.delivery.tree import WHEEL_SOURCES, digest, source_files
from linkerd.local.progress import Progress

PYTHON: Final = "3.11"
PINS: Final = "requirements/runtime.txt"
ENTRYPOINT: Final = "deploy/images/controller"


def prepare_context(tree: Path, cache: Path, progress: Progress) -> Path:
    """Fill build/image with what the Containerfile copies; only what changed is made again."""
    context = tree / "build" / "image"
    context.mkdir(parents=True, exist_ok=True)
    _refresh(context / "wheels", dependency_wheels(tree, cache, progress))
    _refresh(context / "app", project_wheel(tree, cache, progress))
    shutil.copy2(tree / ENTRYPOINT, context / "controller")
    shutil.copy2(tree / PINS, context / "requirements.txt")
    return context


def context_digest(tree: Path) -> str:
    """Changes with everything that a build of the image would read."""
    names = (*WHEEL_SOURCES, PINS, "deploy/images")
    return digest(tree, source_files(tree, names), PYTHON)


def dependency_folder(tree: Path, cache: Path) -> Path:
    """Where the cache has a wheel of every dependency; the name is a digest of the pins."""
    return cache / "wheels" / digest(tree, [tree / PINS], PYTHON)


def dependency_wheels(tree: Path, cache: Path, progress: Progress) -> Path:
    """That folder, filled. Raises ImageError when pip cannot."""
    folder = dependency_folder(tree, cache)
    if not folder.exists():
        with progress.step("Fetching the image's Python packages"), _partial(folder) as partial:
            pins = ("--require-hashes", "--no-deps", "--requirement", str(tree / PINS))
            only = ("--python-version", PYTHON, "--only-binary", ":all:")
            _pip("download", *only, "--dest", str(partial), *pins)
    return folder


def project_wheel(tree: Path, cache: Path, progress: Progress) -> Path:
    """A folder of the cache with this project's own wheel.

    It is built from a copy, because setuptools keeps modules that have since been deleted in the
    build folder of a tree.
    """
    files = list(source_files(tree))
    folder = cache / "wheels" / f"project-{digest(tree, files)}"
    if not folder.exists():
        with (
            progress.step("Building the project's wheel"),
            tempfile.TemporaryDirectory() as copy,
            _partial(folder) as partial,
        ):
            _copy(tree, files, Path(copy))
            _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(partial), copy)
        _keep_newest(folder)
    return folder


class _partial:  # noqa: N801  # reads as the context manager it is
    """A new folder beside `folder` that takes its place when the block ends well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._partial = folder.with_name(f".partial-{folder.name}")

    def __enter__(self) -> Path:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        return self._partial

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._partial.rename(self._folder)
        else:
            shutil.rmtree(self._partial, ignore_errors=True)


def _copy(tree: Path, files: Iterable[Path], target: Path) -> None:
    for file in files:
        copy = target / file.relative_to(tree)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)


def _keep_newest(folder: Path) -> None:
    """Every change of the code makes a wheel: only the last one is worth its space."""
    for other in folder.parent.glob("project-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _refresh(folder: Path, source: Path) -> None:
    """Make `folder` a copy of `source`, untouched when it is one: builders look at times too."""
    have = {f.name: f.stat().st_mtime_ns for f in folder.glob("*")} if folder.exists() else {}
    if have != {f.name: f.stat().st_mtime_ns for f in source.glob("*")}:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)


def _pip(command: str, *arguments: str) -> None:
    run(
        [
            sys.executable,
            "-m",
            "pip",
            command,
            "--quiet",
            "--disable-pip-version-check",
            *arguments,
        ],
        error=ImageError,
        doing=f"pip {command} for the image",
        environ={"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"},
    )
