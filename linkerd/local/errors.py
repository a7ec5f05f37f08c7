"""What can go wrong with a local cluster, each as one sentence that says what to do.

Raised by every module of this package and caught in one place: the command line prints the
sentence and exits with 1. Exceptions of the operating system do not leave the package as they are.
"""

from pathlib import Path


class LocalError(Exception):
    """Something about the local cluster cannot be done; the message says what to do about it."""


class MissingProgramError(LocalError):
    """A program that the cluster needs is neither here nor can it be made here."""


class BuildError(LocalError):
    """Building the cluster's programs or images failed."""


class PrivilegeError(LocalError):
    """This needs root on Linux."""


class ResourceError(LocalError):
    """The machine has too little memory or disk."""


class AddressError(LocalError):
    """A port is taken, or an address range collides with a network of this machine."""


class StateError(LocalError):
    """The state directory cannot be used as it is."""


class ComponentError(LocalError):
    """A component of the cluster ended, or did not become ready in time."""

    def __init__(self, name: str, reason: str, log: Path, line: str) -> None:
        said = f"; its last words: {line}" if line else ""
        super().__init__(f"{name} {reason}{said} (all of it: {log})")
        self.name = name
