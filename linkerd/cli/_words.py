"""How commands are written on the screen, for people to copy."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def shown(program: str, environ: Mapping[str, str] = os.environ) -> str:
    """A program of this installation as short as it can be typed here: by its name when that is
    enough, else by its path, from the present folder if it is below."""
    path = Path(sys.executable).parent / program
    if str(path.parent) in environ.get("PATH", "").split(os.pathsep):
        return program
    present = Path.cwd()
    return str(path.relative_to(present) if path.is_relative_to(present) else path)
