"""Run other programs and turn their failures into sentences."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from linkerd.delivery.errors import DeliveryError

_LAST_LINES: Final = 3
_KLOG: Final = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] ")
"""How lines begin that Kubernetes' programs log for their developers; kubectl writes several of
them before the sentence that says what is wrong."""


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
    """The last few lines that say something to people, on one line."""
    said = (line.strip() for line in text.splitlines())
    lines = [line for line in said if line and not _KLOG.match(line)]
    return " | ".join(lines[-_LAST_LINES:]) or "it did not say why"
