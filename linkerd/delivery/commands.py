"""Run other programs and turn their failures into sentences."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from linkerd.delivery.errors import DeliveryError

_LAST_LINES = 3


def run(
    argv: Sequence[str | Path],
    *,
    error: type[DeliveryError],
    doing: str,
    cwd: Path | None = None,
    stdin: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """The standard output of `argv`.

    Raises `error` when it cannot be started or fails: "`doing` failed: " and its last words.
    """
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=dict(os.environ) | dict(environ or {}),
        )
    except OSError as problem:
        raise error(f"{doing} failed: {argv[0]} cannot be run ({problem.strerror})") from None
    if done.returncode != 0:
        raise error(f"{doing} failed: {last_words(done.stderr or done.stdout)}")
    return done.stdout


def last_words(text: str) -> str:
    """The last few lines that say something, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-_LAST_LINES:]) or "it did not say why"
