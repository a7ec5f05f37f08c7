"""The `linkerd` program, run many times: forked from a process that has imported most of it.

A fork is as good as a start where it matters, for nothing of the program has run before it; and it
costs a tenth.
"""

import importlib
import logging
import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

DEADLINE: Final = 60.0
"""Seconds that a run may take."""

_MODULES: Final = (  # not grpc, which reads its environment when it is imported
    "linkerd.cli.check",
    "linkerd.cli.identity",
    "linkerd.cli.profile",
    "linkerd.cli.version",
    "linkerd.cli._control_plane",
    "linkerd.cli._endpoints",
    "h2.connection",
    "kubernetes_asyncio.client",
    "kubernetes_asyncio.config",
)


@dataclass(frozen=True, slots=True)
class Done:
    """How a run ended (no code: not in time), and what it wrote."""

    code: int | None
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has been started; it writes into a folder of its own."""

    process: BaseProcess
    folder: Path

    def done(self) -> Done:
        """Waits for its end."""
        self.process.join(DEADLINE)
        code = self.process.exitcode
        return Done(code, *((self.folder / name).read_text() for name in ("output", "errors")))


class Forks:
    """Starts `linkerd`; end with `forked_linkerd`."""

    def __init__(self, folder: Path) -> None:
        self.runs: list[Run] = []
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(_MODULES))

    def start(self, *arguments: str, terminal: str | None = None, **environ: str) -> Run:
        """`linkerd ARGUMENTS`, with variables besides those of this process; what it writes goes
        to the terminal device of that path, if there is one."""
        folder = self._folder / f"run-{len(self.runs)}"
        folder.mkdir()
        for name in ("output", "errors"):
            (folder / name).touch()
        variables = {**os.environ, **environ}
        places = (terminal or f"{folder}/output", terminal or f"{folder}/errors")
        process = self._context.Process(target=_linkerd, args=(arguments, places, variables))
        process.start()
        self.runs.append(Run(process, folder))
        return self.runs[-1]


@contextmanager
def forked_linkerd(folder: Path) -> Iterator[Forks]:
    """Runs that write below `folder`, and are ended with the block."""
    forks = Forks(folder)
    yield forks
    for run in forks.runs:
        run.process.kill()
        run.process.join()
        run.process.close()


def _linkerd(arguments: Sequence[str], places: tuple[str, str], environ: Mapping[str, str]) -> None:
    for number, place in enumerate(places, start=1):
        os.dup2(os.open(place, os.O_WRONLY | os.O_TRUNC | os.O_NOCTTY), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["linkerd", *arguments]
    try:
        importlib.import_module("linkerd.cli.main").main()
    finally:
        logging.shutdown()  # as at the end of any program; multiprocessing's children go without
