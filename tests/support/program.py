"""A program of ours as a process of its own, followed by its log.

Tests wait for what the program says (`event("ready")`), never for time. Give it
`--log-format json` and a port of 0; `port_of` reads back which port it got.
"""

import fcntl
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self

from tests.support.forkserver import start_program

DEADLINE: Final = 30.0
"""Seconds that a test waits for anything; a healthy program needs one."""

Entry = Mapping[str, Any]

_ENVIRON: Final = {
    "PYTHONUNBUFFERED": "1",
    "SSL_CERT_FILE": os.devnull,  # the machine's authorities have no say here and load slowly
}


class Program:
    """`python -m MODULE ARGUMENTS`, or a fork that is as good; `with` kills it at the end if it
    still runs.

    A fork unless its very start matters, or what it reads of its environment when it is imported,
    or that it is on the network that this thread has entered.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        fork: bool = True,
    ) -> None:
        variables = {**os.environ, **_ENVIRON, **(environ or {})}
        self._process = start_program(module, *arguments, environ=variables, fork=fork)
        self._log: list[str] = []
        self._ended = False
        self._reading = threading.Event()
        self._reading.set()
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self.wait()

    @property
    def log(self) -> str:
        """All that it has written to stderr so far."""
        with self._changed:
            return "".join(self._log)

    @property
    def entries(self) -> Sequence[Entry]:
        """The lines of the log that are JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def event(self, name: str, **fields: object) -> Entry:
        """The first entry with this event and these fields, once it is there; fails after
        DEADLINE, and when the program ends without it."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: self._find(name, fields) or self._ended, timeout=DEADLINE
            )
            entry = self._find(name, fields)
        if entry is None:
            why = "ended" if found else f"did not in {DEADLINE} s"
            raise AssertionError(f"the program {why} before it said {name!r}:\n{self.log}")
        return entry

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Meanwhile nobody reads its log, and the pipe holds next to nothing."""
        if self._process.stderr is not None:
            fcntl.fcntl(self._process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        self._reading.clear()
        try:
            yield
        finally:
            self._reading.set()

    def port_of(self, event: str) -> int:
        """The port in that event."""
        return int(self.event(event)["port"])

    def terminate(self) -> int:
        """Ends it as kubelet does; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def pause(self) -> None:
        """Stops it, as a machine that sleeps, until `go_on`."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Lets it go on after `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> int:
        """Ends it as a crash does, with SIGKILL; the exit code."""
        self._process.kill()
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it has ended; fails after DEADLINE."""
        code = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        if self._process.stderr is not None:
            self._process.stderr.close()
        return code

    def _find(self, name: str, fields: Mapping[str, object]) -> Entry | None:
        for line in self._log:
            if not line.startswith("{"):
                continue
            entry: Entry = json.loads(line)
            if entry.get("event") == name and fields.items() <= entry.items():
                return entry
        return None

    def _read(self) -> None:
        for line in self._process.stderr or ():
            self._reading.wait()
            with self._changed:
                self._log.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
