"""Find the programs of Kubernetes, or build them once a machine.

Looked for in this order: the folder that KUBEBUILDER_ASSETS names (the convention of envtest), our
cache, and else one build of `tools/kubernetes`, whose result goes into the cache under a digest of
its sources. Only one process builds at a time; the others wait for it and take its result.
Programs of the operating system (containerd, iptables, ...) are `packages.py`'s matter.
"""

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linkerd.local.build import build
from linkerd.local.errors import MissingProgramError
from linkerd.local.files import locked
from linkerd.local.progress import Progress

ASSETS_VARIABLE: Final = "KUBEBUILDER_ASSETS"
SOURCES: Final = Path(__file__).resolve().parents[2] / "tools" / "kubernetes"

MULTICALL: Final = (
    "coredns",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)
CONTROL_PLANE: Final = ("etcd", "kube-apiserver", "kubectl")
NODE: Final = (*MULTICALL, "pause")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where each program is; every name that was asked for is there."""

    paths: Mapping[str, Path]

    def __getitem__(self, name: str) -> Path:
        return self.paths[name]


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where what is built once a machine is kept."""
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "linkerd-py"


def source_digest(sources: Path = SOURCES) -> str:
    """Changes when any source of the programs changes, and with the machine's kind."""
    digest = hashlib.sha256(f"{platform.system()}/{platform.machine()}\n".encode())
    for file in sorted(f for f in sources.rglob("*") if f.suffix in {".go", ".mod", ".sum"}):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(sources)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def find_built(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The cached build of the present sources; None before there is one."""
    folder = cache_folder(environ) / f"kubernetes-{source_digest()}"
    return folder if folder.is_dir() else None


def locate(
    names: tuple[str, ...], progress: Progress, environ: Mapping[str, str] = os.environ
) -> Programs:
    """Find every program of `names`; what is missing is built, which takes minutes, once.

    Raises MissingProgramError or BuildError, whose message names the program.
    """
    found = _from_assets(names, environ)
    if missing := [name for name in names if name not in found]:
        folder = find_built(environ) or _build_once(progress, environ)
        found |= {name: folder / name for name in missing}
    return Programs(found)


def find_program(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where `name` is if nothing is to be built for it: assets, cache, then PATH."""
    if found := _from_assets((name,), environ).get(name):
        return found
    if (folder := find_built(environ)) and (folder / name).exists():
        return folder / name
    on_path = shutil.which(name, path=environ.get("PATH"))
    return Path(on_path) if on_path else None


def _from_assets(names: tuple[str, ...], environ: Mapping[str, str]) -> dict[str, Path]:
    if not (assets := environ.get(ASSETS_VARIABLE)):
        return {}
    folder = Path(assets)
    found = {name: folder / name for name in names if os.access(folder / name, os.X_OK)}
    for name in set(names) & set(CONTROL_PLANE) - set(found):
        raise MissingProgramError(
            f"{ASSETS_VARIABLE} is {folder}, which has no executable {name}; "
            f"put one there, or unset the variable to have it built"
        )
    return found


def _build_once(progress: Progress, environ: Mapping[str, str]) -> Path:
    if not (SOURCES / "go.mod").exists():
        raise MissingProgramError(
            f"the sources of Kubernetes' programs are not at {SOURCES}; run from a clone of this "
            f"project, or set {ASSETS_VARIABLE} to a folder with {', '.join(CONTROL_PLANE)}"
        )
    cache = cache_folder(environ)
    with locked(cache / "build.lock"):
        if built := find_built(environ):
            return built
        folder = cache / f"kubernetes-{source_digest()}"
        partial = cache / f".building-{folder.name}"
        shutil.rmtree(partial, ignore_errors=True)
        build(SOURCES, partial, cache=cache, progress=progress, environ=environ)
        for name in MULTICALL:
            (partial / name).symlink_to("kubernetes")
        partial.rename(folder)
    return folder
