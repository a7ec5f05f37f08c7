"""What the machine must have before anything is started, each said in one sentence."""

import os
import platform
import sys

import psutil

from linkerd.local.errors import PrivilegeError, ResourceError
from linkerd.local.packages import NODE_NEEDS, can_install, missing

API_ONLY_BYTES = 600 << 20
NODE_BYTES = 1500 << 20


def require_memory(needed: int, available: int | None = None) -> None:
    """Raises ResourceError when less than `needed` bytes are available."""
    if available is None:
        available = psutil.virtual_memory().available
    if available < needed:
        raise ResourceError(
            f"the cluster takes {needed >> 20} MiB of memory and {available >> 20} MiB are "
            f"available; end some programs and try again"
        )


def node_obstacle() -> str | None:
    """Why no node can run here, in one sentence; None when nothing stands in the way."""
    if sys.platform != "linux":
        return (
            f"a node runs on Linux only and this is {platform.system()}; "
            f"`linkerd local up --api-only` works here"
        )
    if os.geteuid() != 0:
        return (
            "a node needs root (it mounts, and makes namespaces and network links); run this with "
            "sudo, or use `linkerd local up --api-only`, which does not"
        )
    if (lacking := missing(NODE_NEEDS)) and not can_install():
        names = ", ".join(sorted({need.package for need in lacking}))
        return f"a node needs these packages, which are missing: {names}; install them"
    return None


def require_node() -> None:
    """Raises PrivilegeError when no node can run here."""
    if reason := node_obstacle():
        raise PrivilegeError(reason)
