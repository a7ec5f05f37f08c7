"""Run programs of the operating system, which a user's PATH may not reach."""

import os
import subprocess
from collections.abc import Sequence
from typing import IO, Final

from linkerd.local.errors import LocalError

_FOLDERS: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


class CommandError(LocalError):
    """A program of the operating system failed; `said` is the last line that it wrote."""

    def __init__(self, command: Sequence[str], said: str) -> None:
        super().__init__(f"{' '.join(command)}: {said}")
        self.said = said.splitlines()[-1]


def system_path() -> str:
    """The caller's PATH and after it the folders of system programs."""
    return f"{path}:{_FOLDERS}" if (path := os.environ.get("PATH")) else _FOLDERS


def run(*command: str, check: bool = True, stdin: IO[bytes] | None = None) -> str:
    """Run a program to its end and return its output.

    Raises CommandError with its words when it fails and `check` is on, LocalError when there is no
    such program.
    """
    try:
        done = subprocess.run(
            command,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            env=os.environ | {"PATH": system_path()},
            check=False,
        )
    except OSError as error:
        raise LocalError(f"{command[0]} cannot be run: {error.strerror}") from error
    if check and done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise CommandError(command, said)
    return done.stdout.decode("utf-8", "replace")
