"""Standard input, output and error, whatever the program was started with.

A program may be started with any of them closed. Its first socket would then become descriptor 2,
and everything that writes there, C libraries and crash reports included, would write into that
connection; and Python, which has None for such a stream, would fail at the first use of it.
"""

import os
import sys
from pathlib import Path
from typing import Final

_NAMES: Final = ("stdin", "stdout", "stderr")


def open_standard_streams() -> None:
    """Opens those that are closed onto nothing; called before anything else is opened, and
    harmless later."""
    for descriptor in range(len(_NAMES)):
        try:
            os.fstat(descriptor)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            os.set_inheritable(nothing, True)
    for name in _NAMES:
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  # for the process's life
