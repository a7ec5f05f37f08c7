"""Who runs first where a trial and other things share few cores."""

import contextlib
import os
from pathlib import Path


def take(niceness: int) -> None:
    """Gives this process that niceness, below 0 as root only. Linux may share the cores between
    sessions before it looks at processes, so the process becomes a session of its own with that
    niceness, too. 0 changes nothing."""
    if not niceness:
        return
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    os.setsid()
    with contextlib.suppress(OSError):  # a kernel without autogroups
        Path("/proc/self/autogroup").write_text(str(niceness))
