"""Show long steps to whoever waits: a spinner on a terminal, plain lines elsewhere.

Everything in this package that may take more than a second takes a `Progress` and wraps its work
in `with progress.step(title):`. A step that finishes is one line with its time; one that fails says
so and the exception goes on. Nothing here decides anything.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from rich.console import Console

from linkerd.runtime.terminal import is_terminal

Detail = Callable[[str], None]
"""Replaces what a running step says about itself, such as "412 packages compiled"."""


class Progress(Protocol):
    """Tells a person what is going on."""

    def step(self, title: str) -> AbstractContextManager[Detail]:
        """One piece of work; the value is called with details while it runs."""
        ...

    def note(self, text: str) -> None:
        """One line worth knowing that is not a step."""
        ...


class SilentProgress:
    """For tests and programs."""

    @contextmanager
    def step(self, title: str) -> Iterator[Detail]:
        del title
        yield lambda _: None

    def note(self, text: str) -> None:
        del text


class PlainProgress:
    """A line when a step has ended; a long one announces itself and repeats its detail."""

    quiet_seconds = 1.0
    detail_seconds = 15.0

    def __init__(self, stream: TextIO, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._monotonic = monotonic

    @contextmanager
    def step(self, title: str) -> Iterator[Detail]:
        began = last = self._monotonic()
        self.note(f"{title} ...")

        def detail(text: str) -> None:
            nonlocal last
            if self._monotonic() - last >= self.detail_seconds:
                last = self._monotonic()
                self.note(f"{title}: {text}")

        try:
            yield detail
        except BaseException:
            self.note(f"{title}: failed")
            raise
        if (took := self._monotonic() - began) >= self.quiet_seconds:
            self.note(f"{title}: done in {took:.1f} s")

    def note(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class TerminalProgress:
    """A spinner with the detail of the step that runs; a tick and the time when it has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def step(self, title: str) -> Iterator[Detail]:
        began = time.monotonic()
        with self._console.status(title) as status:
            try:
                yield lambda text: status.update(f"{title} [dim]{text}[/dim]")
            except BaseException:
                self._console.print(f"[red]✗[/red] {title}")
                raise
        took = time.monotonic() - began
        self._console.print(f"[green]✓[/green] {title} [dim]{took:.1f} s[/dim]")

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)


def choose_progress(stream: TextIO | None = None) -> Progress:
    """The right kind for `stream` (standard error unless told)."""
    stream = stream or sys.stderr
    if is_terminal(stream):
        return TerminalProgress(Console(file=stream, highlight=False))
    return PlainProgress(stream)
