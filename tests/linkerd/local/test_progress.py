"""What a person sees of long steps."""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from linkerd.local.progress import (
    PlainProgress,
    SilentProgress,
    TerminalProgress,
    choose_progress,
)


def clock(*times: float) -> Iterator[float]:
    yield from times
    while True:
        yield times[-1]


def test_plain_lines_announce_repeat_and_end() -> None:
    stream = io.StringIO()
    times = clock(0, 5, 20, 20, 21, 65)
    progress = PlainProgress(stream, lambda: next(times))

    with progress.step("Building") as detail:
        detail("too soon")
        detail("412 packages")
        detail("too soon again")

    assert stream.getvalue().splitlines() == [
        "Building ...",
        "Building: 412 packages",
        "Building: done in 65.0 s",
    ]


def test_short_step_is_one_line() -> None:
    stream = io.StringIO()
    with PlainProgress(stream, lambda: 0).step("Quick"):
        pass

    assert stream.getvalue() == "Quick ...\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_failed_step_says_so_and_the_error_goes_on(terminal: bool) -> None:
    stream = io.StringIO()
    progress = TerminalProgress(Console(file=stream)) if terminal else PlainProgress(stream)

    with pytest.raises(KeyError), progress.step("Risky"):
        raise KeyError

    assert ("✗ Risky" if terminal else "Risky: failed") in stream.getvalue()


def test_terminal_step_ends_with_a_tick() -> None:
    stream = io.StringIO()
    progress = TerminalProgress(Console(file=stream, force_terminal=True))

    with progress.step("Building [x]") as detail:
        detail("half")
    progress.note("[markup] is not read")

    assert "✓" in stream.getvalue()
    assert "[markup] is not read" in stream.getvalue()


def test_kind_follows_the_stream() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(choose_progress(io.StringIO()), PlainProgress)
    assert isinstance(choose_progress(Terminal()), TerminalProgress)


def test_silence() -> None:
    progress = SilentProgress()
    with progress.step("x") as detail:
        detail("y")
    progress.note("z")
