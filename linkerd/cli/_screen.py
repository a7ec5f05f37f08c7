"""How things look on the screen. Text fits the terminal that it is written to; elsewhere it is left
as it is."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TextIO

import click

from linkerd.runtime.terminal import columns, fitted

_GAP: Final = "   "
_LEAST: Final = 8  # characters of a cell that are always shown


def say(text: str) -> None:
    """Print lines on standard output, each folded where the terminal ends."""
    click.echo(fitted(text, sys.stdout))


def table(rows: Sequence[Sequence[str]], stream: TextIO, gap: str = _GAP) -> str:
    """Aligned columns; an empty row is an empty line. On a terminal that is too narrow, the widest
    cells lose their middles."""
    widths = [max(map(len, cells)) for cells in zip(*filter(None, rows), strict=True)]
    widths = _narrowed(widths, columns(stream), gap)
    return "\n".join(
        gap.join(map(_cell, cells, widths)).rstrip() if cells else "" for cells in rows
    ).rstrip()


def shown(program: str, environ: Mapping[str, str] = os.environ) -> str:
    """A program of this installation as short as it can be typed here: by its name when that is
    enough, else by its path, from the present folder if it is below."""
    path = Path(sys.executable).parent / program
    if str(path.parent) in environ.get("PATH", "").split(os.pathsep):
        return program
    present = Path.cwd()
    return str(path.relative_to(present) if path.is_relative_to(present) else path)


def _narrowed(widths: list[int], limit: int | None, gap: str) -> list[int]:
    room = limit and limit - len(gap) * (len(widths) - 1)
    while room is not None and sum(widths) > room and max(widths) > _LEAST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cell(text: str, width: int) -> str:
    if len(text) <= width:
        return text.ljust(width)
    kept = width - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
