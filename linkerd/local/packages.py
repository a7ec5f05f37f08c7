"""Programs of the operating system that a node needs, and how Debian installs them.

`missing` only looks. `ensure` announces what it installs and why, and does so where that is
possible: on Debian and its kin, as root. Elsewhere it raises with the names of what is missing.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linkerd.local.errors import MissingProgramError
from linkerd.local.progress import Progress
from linkerd.local.system import system_path


@dataclass(frozen=True, slots=True)
class Need:
    """A program (name, or path when it is on nobody's PATH), its package, and its purpose."""

    program: str
    package: str
    why: str

    @property
    def path(self) -> Path | None:
        """Where it is; None when it is missing."""
        if self.program.startswith("/"):
            return Path(self.program) if os.access(self.program, os.X_OK) else None
        found = shutil.which(self.program, path=system_path())
        return Path(found) if found else None


NODE_NEEDS: Final = (
    Need("containerd", "containerd", "runs the containers of pods"),
    Need("runc", "runc", "starts a container's processes"),
    Need("/usr/lib/cni/ptp", "containernetworking-plugins", "gives pods their network"),
    Need("iptables", "iptables", "carries Service addresses to pods"),
    Need("conntrack", "conntrack", "lets kube-proxy forget connections to pods that are gone"),
    Need("ip", "iproute2", "joins the node's network to this machine"),
    Need("mount", "mount", "mounts the volumes of pods"),
    Need("nsenter", "util-linux", "starts programs inside the node"),
)


def missing(needs: tuple[Need, ...]) -> list[Need]:
    """Those of `needs` that are not on this machine."""
    return [need for need in needs if need.path is None]


def ensure(needs: tuple[Need, ...], progress: Progress) -> None:
    """Install what is missing. Raises MissingProgramError when that is not possible here."""
    if not (lacking := missing(needs)):
        return
    names = ", ".join(f"{need.package} ({need.why})" for need in lacking)
    if not can_install():
        raise MissingProgramError(
            f"these packages are missing: {names}; install them and try again"
        )
    packages = sorted({need.package for need in lacking})
    for need in lacking:
        progress.note(f"Installing {need.package}: it {need.why}")
    with progress.step(f"Installing {len(packages)} Debian packages"):
        _update()
        _apt_get("install", "--yes", "--no-install-recommends", *packages)
    if still := missing(needs):
        raise MissingProgramError(
            f"the package {still[0].package} is installed but {still[0].program} is still not there"
        )


def can_install() -> bool:
    """Whether packages can be installed here without asking anybody."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _update() -> None:
    _apt_get("update")


def _apt_get(*arguments: str) -> None:
    environment: Mapping[str, str] = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise MissingProgramError(
            f"apt-get {' '.join(arguments)} failed: {lines[-1] if lines else 'it did not say why'}"
        )
