"""Programs of ours, forked from a process that has imported most of them.

A fork is as good as a start where it matters, for nothing of the program has run before it; and it
costs a tenth.
"""

import logging
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import IO, Any, Final, Self

FORKSERVER: Final = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["tests.support.preloaded"])

Stream = int | IO[Any]
"""PIPE or DEVNULL of `subprocess`, a descriptor, or a file."""


class ForkedProgram:
    """`python -m MODULE ARGUMENTS`, used as a Popen of text; `with` kills it at the end.

    `environ` is all of its environment. `strict`: as with `-W error`.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environ: Mapping[str, str] = os.environ,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.DEVNULL,
        stderr: Stream = subprocess.PIPE,
        strict: bool = False,
    ) -> None:
        self.stdin, for_stdin = _pipe(stdin, "w")
        self.stdout, for_stdout = _pipe(stdout, "r")
        self.stderr, for_stderr = _pipe(stderr, "r")
        streams = [Connection(fd) for fd in (for_stdin, for_stdout, for_stderr)]
        self._process = FORKSERVER.Process(
            target=_run,
            args=(module, arguments, streams, dict(environ), strict),
            daemon=True,
        )
        self._process.start()
        for stream in streams:
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self.wait()
        self.close()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """The exit code; negative: of that signal; None: it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The exit code so far."""
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Sends it, unless the program has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises TimeoutError."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"the program did not end in {timeout} s")
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """The rest of its output and errors, and its end. Raises TimeoutError."""
        found = {1: "", 2: ""}

        def read(number: int, stream: IO[str]) -> None:
            found[number] = stream.read()

        pipes = {number: pipe for number, pipe in ((1, self.stdout), (2, self.stderr)) if pipe}
        threads = [threading.Thread(target=read, args=each) for each in pipes.items()]
        for thread in threads:
            thread.start()
        try:
            self.wait(timeout)
        finally:
            self.kill()
            for thread in threads:
                thread.join()
        return found[1], found[2]

    def close(self) -> None:
        """Closes the pipes that are open."""
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                pipe.close()


Popen = ForkedProgram | subprocess.Popen[str]


def start_program(
    module: str,
    *arguments: str,
    environ: Mapping[str, str],
    stdout: Stream = subprocess.DEVNULL,
    fork: bool,
) -> Popen:
    """A fork, or `python -m MODULE ARGUMENTS` in truth."""
    if fork:
        return ForkedProgram(module, *arguments, environ=environ, stdout=stdout)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )


def _pipe(stream: Stream, mode: str) -> tuple[IO[str] | None, int]:
    """Our end of a pipe, if one is wanted, and the descriptor that the program gets."""
    if stream == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_RDWR)
    if stream != subprocess.PIPE:
        return None, os.dup(stream if isinstance(stream, int) else stream.fileno())
    reading, writing = os.pipe()
    ours, theirs = (writing, reading) if mode == "w" else (reading, writing)
    return os.fdopen(ours, mode), theirs


def _run(
    module: str,
    arguments: Sequence[str],
    streams: Iterable[Connection],
    environ: Mapping[str, str],
    strict: bool,  # as `Process` gives it
) -> None:
    """In the fork."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # for the life of the process
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[1:] = arguments
    if strict:
        warnings.simplefilter("error")
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        logging.shutdown()  # as at the end of any program; multiprocessing's children go without
