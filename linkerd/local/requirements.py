"""What the machine must have before anything is started, each said in one sentence."""

import psutil

from linkerd.local.errors import ResourceError

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
