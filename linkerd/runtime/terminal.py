"""What a stream that people look at can show: colours, a cursor that moves, lines of a width."""

import os
import textwrap
from collections.abc import Mapping
from typing import Final, TextIO

_DUMB: Final = frozenset({"dumb", "unknown"})  # terminals that print control sequences as they are
_HANGING: Final = 4  # spaces before what continues a line


def is_terminal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether control sequences, such as those that move the cursor, are understood there."""
    return stream.isatty() and environ.get("TERM", "") not in _DUMB


def colours(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether to write in colour: on a terminal, unless NO_COLOR is set to anything."""
    return is_terminal(stream, environ) and not environ.get("NO_COLOR")


def columns(stream: TextIO, environ: Mapping[str, str] = os.environ) -> int | None:
    """Characters that fit into a line (COLUMNS, else what the terminal says); None where lines have
    no end, as in a file or a pipe."""
    if not stream.isatty():
        return None
    said = environ.get("COLUMNS", "")
    if said.isascii() and said.isdecimal() and int(said) > 0:
        return int(said)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


def fitted(text: str, stream: TextIO) -> str:
    """The lines, folded where the terminal ends: between words, and within those that are too long.
    As they are where lines have no end."""
    width = columns(stream)
    if width is None:
        return text
    return "\n".join(piece for line in text.split("\n") for piece in _folded(line, width))


def _folded(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())][: width // 2]
    hanging = (indent + " " * _HANGING)[: width // 2]
    return textwrap.wrap(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_on_hyphens=False,
    )
