"""The `linkerd` program, forked many times."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.forkserver import ForkedProgram

DEADLINE: Final = 60.0
"""Seconds that a run may take."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a run ended (no code: not in time), and what it wrote."""

    code: int | None
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has been started; it writes into a folder of its own."""

    process: ForkedProgram
    folder: Path

    def done(self) -> Done:
        """Waits for its end."""
        with suppress(TimeoutError):
            self.process.wait(DEADLINE)
        code = self.process.poll()
        return Done(code, *((self.folder / name).read_text() for name in ("output", "errors")))


class Forks:
    """Starts `linkerd`; end with `forked_linkerd`."""

    def __init__(self, folder: Path) -> None:
        self.runs: list[Run] = []
        self._folder = folder

    def start(self, *arguments: str, terminal: str | None = None, **environ: str) -> Run:
        """`linkerd ARGUMENTS`, with variables besides those of this process; what it writes goes
        to the terminal device of that path, if there is one."""
        folder = self._folder / f"run-{len(self.runs)}"
        folder.mkdir()
        places = [folder / name for name in ("output", "errors")]
        for place in places:
            place.touch()
        descriptors = [os.open(terminal or place, os.O_WRONLY | os.O_NOCTTY) for place in places]
        process = ForkedProgram(
            "linkerd.cli.main",
            *arguments,
            environ={**os.environ, **environ},
            stdout=descriptors[0],
            stderr=descriptors[1],
        )
        for descriptor in descriptors:
            os.close(descriptor)
        self.runs.append(Run(process, folder))
        return self.runs[-1]


@contextmanager
def forked_linkerd(folder: Path) -> Iterator[Forks]:
    """Runs that write below `folder`, and are ended with the block."""
    forks = Forks(folder)
    yield forks
    for run in forks.runs:
        run.process.kill()
        run.process.wait()
