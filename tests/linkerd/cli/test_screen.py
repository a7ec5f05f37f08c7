"""What people see on terminals: colours where they are wanted, lines that fit."""

import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from fcntl import ioctl
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.cli._screen import table
from tests.support.forked import Forks, Run, forked_linkerd

CELLS = st.text(alphabet="ab-1", max_size=20)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4)


@pytest.fixture
def forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forks]:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with forked_linkerd(tmp_path) as forks:
        yield forks


def on_a_terminal(forks: Forks, width: int, *arguments: str, **environ: str) -> str:
    """What `linkerd` writes on a terminal of that width."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    run = forks.start(*arguments, terminal=os.ttyname(theirs), **environ)
    end = threading.Thread(target=_close_after, args=(run, theirs))
    end.start()
    written = bytearray()
    while chunk := _read(ours):
        written += chunk
    end.join()
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def _close_after(run: Run, terminal: int) -> None:
    """Ours is the last one that is open: until the run opens it there is no other."""
    run.done()
    os.close(terminal)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""  # how Linux says that the other end is closed


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_of_a_check(forks: Forks, environ: dict[str, str], coloured: bool) -> None:
    written = on_a_terminal(forks, 80, "check", "--kubeconfig=/none", "--wait=0s", **environ)
    assert ("\x1b[31m\u00d7\x1b[0m can initialize the client" in written) == coloured
    assert ("\x1b" in written) == coloured


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--kubeconfig=/none/of/a/long/name", "--wait=0s"),
        ("identity", "issuer", "--kubeconfig=/none/of/a/long/name"),
        ("diagnostics", "endpoints", "web.shop.svc", "--kubeconfig=/none/of/a/long/name"),
        ("profile", "--proto", os.devnull, "A_service_of_a_very_long_name_indeed"),
        ("local", "up", "--port=1"),
        ("check", "--output=of a form that there is not"),
        ("help", "diagnostics", "endpoints"),
    ],
)
def test_lines_fit(forks: Forks, words: tuple[str, ...]) -> None:
    written = on_a_terminal(forks, 50, *words)
    assert written
    assert [line for line in written.splitlines() if len(line.replace("\x1b[31m", "")) > 54] == []


@given(ROWS, st.integers(40, 90))
def test_a_table_fits_and_keeps_what_it_can(rows: list[tuple[str, ...]], width: int) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        lines = table(rows, Terminal()).split("\n")
        whole = table(rows, StringIO()).split("\n")
    assert all(len(line) <= width for line in lines)
    if all(len(line) <= width for line in whole):
        assert lines == whole


def test_a_long_cell_loses_its_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "24")
    rows = [("NAMESPACE", "POD"), ("shop", "web-6f7d9c8b5d-x2x4z"), ()]
    assert table(rows, Terminal()).splitlines() == [
        "NAMESPACE   POD",
        "shop        web-6f…x2x4z",
    ]
