"""One attack on one engine, and what attacker, bystander, prober and the kernel saw of it.

Server, attacker and bystander are processes of their own, forked from one that has imported all
that they need, so that a trial begins within some 50 ms and with nothing of the trial before it.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import psutil

from tests.support.attacks import attacker, bystander, target
from tests.support.attacks.attacker import Attacked, Order
from tests.support.attacks.bystander import Witnessed
from tests.support.forkserver import FORKSERVER

_START_SECONDS: Final = 20.0
_PATIENCE: Final = 60.0  # seconds for the bystander's last calls


class TrialError(Exception):
    """A trial could not be held, or the server died; the message has its log."""


class Target:
    """A running server."""

    def __init__(self, process: Any, says: Connection, log: Path) -> None:
        self._process = process
        self._says = says
        self._log = log
        self.port, self.admin = self._answer()
        self.pid: int = process.pid
        self._info = psutil.Process(self.pid)

    def ask(self, question: str) -> Any:
        """What the process says to `clean`, `garbage` or `calls`."""
        self._says.send(question)
        return self._answer()

    @property
    def connections(self) -> int:
        """That clients of the engine have with it."""
        found = self._info.net_connections("tcp")
        return sum(each.laddr[1:] == (self.port,) and bool(each.raddr) for each in found)

    @property
    def cpu_seconds(self) -> float:
        """That it has used so far."""
        used = self._info.cpu_times()
        return float(used.user + used.system)

    @property
    def resident(self) -> int:
        """Bytes of memory."""
        return int(self._info.memory_info().rss)

    @property
    def peak(self) -> int:
        """The most bytes of memory since `mark`."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
        raise TrialError("the kernel does not say how much memory the server had at most")

    def mark(self) -> None:
        """`peak` begins anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def log(self) -> str:
        """What it has written to standard error."""
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return bool(self._process.is_alive())

    def _answer(self) -> Any:
        if not self._says.poll(_START_SECONDS):
            raise TrialError(f"the server says nothing; its log:\n{self.log}")
        try:
            return self._says.recv()
        except EOFError:
            raise TrialError(f"the server has ended; its log:\n{self.log}") from None


@contextlib.contextmanager
def serving(
    engine: str, *, files: int = 0, burst: int = 0, niceness: int = 0, **options: Any
) -> Iterator[Target]:
    """A server of that engine, with these of `ServerOptions`, until the block ends; `files` limits
    its descriptors, `burst` is another budget than peers of the h2 engine have in production."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        log.touch()
        with _process(target.serve, engine, options, log, files, burst, niceness) as (
            process,
            says,
        ):
            yield Target(process, says, log)


@contextlib.contextmanager
def _process(run: Callable[..., None], *arguments: Any) -> Iterator[tuple[Any, Connection]]:
    """A process and our end of the pipe whose other end is its first argument."""
    ours, theirs = FORKSERVER.Pipe()
    with ours:
        process = FORKSERVER.Process(target=run, args=(theirs, *arguments))
        process.start()
        theirs.close()
        try:
            yield process, ours
        finally:
            process.kill()
            process.join()
            process.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a trial showed. Bytes are of resident memory, above what was there before; seconds are
    those of the attack."""

    attacked: Attacked
    witnessed: Witnessed
    seconds: float
    cpu_seconds: float
    growth_bytes: int
    peak_bytes: int
    log_bytes: int


def attack(server: Target, order: Order, *, niceness: int = 0) -> Outcome:
    """Has the attack made and watched; `niceness` is the bystander's. Raises TrialError when the
    server does not survive."""
    order = replace(order, port=server.port)
    with _process(bystander.run, server.port, server.admin, niceness) as (_, witness):
        _expect(server, witness, _START_SECONDS)
        server.mark()
        resident, cpu, logged = server.resident, server.cpu_seconds, len(server.log)
        began = time.monotonic()
        with _process(attacker.run, order) as (_, says):
            attacked = _expect(server, says, order.seconds + _PATIENCE)
        seconds = time.monotonic() - began
        cpu = server.cpu_seconds - cpu
        witness.send("stop")
        witnessed = _expect(server, witness, _PATIENCE)
    return Outcome(
        attacked,
        witnessed,
        seconds,
        cpu,
        server.resident - resident,
        server.peak - resident,
        len(server.log) - logged,
    )


def _expect(server: Target, says: Connection, seconds: float) -> Any:
    if not says.poll(seconds):
        raise TrialError(f"nothing in {seconds:.0f} s; the server's log:\n{server.log}")
    try:
        return says.recv()
    except EOFError:
        raise TrialError(f"the process has ended; the server's log:\n{server.log}") from None
