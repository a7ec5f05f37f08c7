"""Start, remember and stop processes that outlive whoever started them.

A component is started in a session of its own, with its output in a log file, and written down as
pid and start time. The pair names one process for ever: a pid that the kernel has since given to
something else has another start time, so nothing foreign is ever signalled. A reboot is told apart
too, through the kernel's boot id.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from linkerd.local.files import write_private

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_POLL_SECONDS = 0.02
_LOG_LIMIT_BYTES = 32 << 20

# Runs in the state directory so that no component keeps the caller's directory busy, and with the
# usual umask: volumes that kubelet makes are read by containers of other users.
_LAUNCH = 'cd "$0" && umask 022 && exec "$@"'


class Identity(msgspec.Struct, frozen=True):
    """One process, for ever: its pid and when it began, in a form that only compares."""

    pid: int
    began: str


def identify(pid: int) -> Identity | None:
    """The process that has `pid` now; None when none has, or only its exit status is left."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return _identify_portably(pid) if not _BOOT_ID.exists() else None
    state, *fields = stat.rpartition(b")")[2].split()
    if state in (b"Z", b"X"):
        _reap(pid)
        return None
    return Identity(pid, f"{_BOOT_ID.read_text().strip()}:{int(fields[18])}")


def _identify_portably(pid: int) -> Identity | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            _reap(pid)
            return None
        return Identity(pid, repr(process.create_time()))
    except psutil.Error:
        return None


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):  # another process may be the parent
        os.waitpid(pid, os.WNOHANG)


def is_alive(process: Identity) -> bool:
    """Whether exactly this process still runs."""
    return identify(process.pid) == process


def spawn(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> Identity:
    """Start `argv` detached; it lives on when the caller ends.

    Raises OSError when there is no shell. A program that cannot run ends at once and its log says
    why.
    """
    _trim(log)
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _LAUNCH, str(cwd), *argv],
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGHUP],
    )
    return identify(pid) or Identity(pid, "ended")


def _trim(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def stop(process: Identity, *, grace: float) -> None:
    """End exactly this process: SIGTERM, after `grace` seconds SIGKILL; returns when it is gone."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if not is_alive(process):
            return
        try:
            os.kill(process.pid, sent)
        except ProcessLookupError:
            return
        wait_ended(process, seconds=grace if sent == signal.SIGTERM else 10)


def wait_ended(process: Identity, *, seconds: float) -> bool:
    """Wait until the process is gone; False when it still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class Entry(msgspec.Struct, frozen=True):
    """What is known of a component that was started."""

    process: Identity
    fingerprint: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return is_alive(self.process)


class Ledger:
    """The processes of one cluster, a file each, under the names of their components."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, name: str, entry: Entry) -> None:
        """Remember what runs as the component `name`."""
        write_private(self._file(name), msgspec.json.encode(entry))

    def find(self, name: str) -> Entry | None:
        """What was started under that name last, alive or not."""
        try:
            return msgspec.json.decode(self._file(name).read_bytes(), type=Entry)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def forget(self, name: str) -> None:
        """The component is stopped and is not expected to run."""
        self._file(name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Every component on record, sorted."""
        return sorted(file.stem for file in self._folder.glob("*.json"))

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def find_marked(variable: str, value: str) -> list[Identity]:
    """Processes that were started with `variable` set to `value` in their environment.

    Finds what a starter that was killed had no time to write down. Only processes whose
    environment this user may read are seen, and never the caller itself.
    """
    found = []
    for pid in psutil.pids():
        try:
            marked = psutil.Process(pid).environ().get(variable) == value
        except (psutil.Error, OSError):
            continue
        if marked and pid != os.getpid() and (identity := identify(pid)):
            found.append(identity)
    return found
