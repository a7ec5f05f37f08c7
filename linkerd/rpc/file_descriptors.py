"""How many connections a process can hold beside everything else that it has open."""

import resource
from typing import Final

_RESERVE: Final = 128
"""Descriptors for the admin server, the API server, logs and files that are reread."""


def connection_limit(most: int) -> int:
    """`most`, or less where the process may open fewer files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return most
    return min(most, max(1, files - _RESERVE))
