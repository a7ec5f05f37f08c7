"""What a terminal can show, on terminals of the test's own."""

import os
import pty
import struct
import termios
from collections.abc import Iterator
from fcntl import ioctl
from io import StringIO
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.runtime.terminal import colours, columns, fitted, is_terminal


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    """A real one, 40 characters wide."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        yield stream
    os.close(ours)


@pytest.mark.parametrize(
    ("environ", "moves", "coloured"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "unknown"}, False, False),
        ({}, True, True),
    ],
)
def test_colours(terminal: TextIO, environ: dict[str, str], moves: bool, coloured: bool) -> None:
    assert is_terminal(terminal, environ) == moves
    assert colours(terminal, environ) == coloured
    assert not colours(StringIO(), environ)
    assert not is_terminal(StringIO(), environ)


@pytest.mark.parametrize(
    ("said", "width"), [({}, 40), ({"COLUMNS": "60"}, 60), ({"COLUMNS": "0"}, 40),
                        ({"COLUMNS": "wide"}, 40), ({"COLUMNS": "-5"}, 40)],
)  # fmt: skip
def test_columns(terminal: TextIO, said: dict[str, str], width: int) -> None:
    assert columns(terminal, said) == width
    assert columns(StringIO(), said) is None


def test_lines_fit(terminal: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = "Error: the namespace does not exist; another one?\n    - " + "x" * 50
    assert fitted(text, terminal).splitlines() == [
        "Error: the namespace does not exist;",
        "    another one?",
        "    - " + "x" * 34,
        "        " + "x" * 16,
    ]
    assert fitted(text, StringIO()) == text


class _Wide(StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text(alphabet="ab -\n", max_size=80), st.integers(1, 30))
def test_nothing_is_lost(text: str, width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        lines = fitted(text, _Wide()).split("\n")
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
