"""The namespaces of a node: a machine of its own within this one.

One small process (`pause`) holds a mount, a network and a process namespace. Everything of the node
is started inside, so whatever becomes of it (a crash, `kill -9`, `down`), ending that process ends
every container and takes every mount, interface and firewall rule of the node with it: there is
nothing to clean up piece by piece. What a namespace does not hold is handled here too: the cgroups,
and through `host.py` the folders of the host that something is mounted over.
"""

import shlex
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from linkerd.local.errors import ComponentError, StateError
from linkerd.local.files import private_folder
from linkerd.local.host import Host
from linkerd.local.network import Link
from linkerd.local.processes import Entry, Identity, Ledger, identify, spawn
from linkerd.local.runner import environment, telling_line
from linkerd.local.state import State
from linkerd.local.system import run

HOLDER: Final = "node"
# kubelet makes sockets below its folder, whose paths must stay short wherever the state is.
KUBELET: Final = Path("/run/kubelet")
PLUGINS: Final = Path("/usr/lib/cni")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_HIDDEN: Final = (Path("/run"), Path("/var/log"))
_SECONDS: Final = 10.0


class Space:
    """The namespaces of the cluster in `state`, whose id is `identity`."""

    def __init__(self, state: State, identity: str, address: str) -> None:
        self._state = state
        self._ledger = Ledger(state.run)
        self._host = Host()
        self.address = address
        self.cgroup = f"/linkerd-local-{identity}"
        self.cni = state.folder / "cni"
        self._kubelet = state.folder / "kubelet"
        # On the host and on the node: those that the linkerd-cni plugin expects, and CNI's cache.
        self._mounts = {
            self.cni / "net.d": Path("/etc/cni/net.d"),
            self.cni / "bin": Path("/opt/cni/bin"),
            self.cni / "cache": Path("/var/lib/cni"),
        }

    @property
    def holder(self) -> Identity | None:
        """The process that holds the namespaces; None when there are none."""
        entry = self._ledger.find(HOLDER)
        return entry.process if entry and entry.is_alive else None

    def is_open(self, link: Link) -> bool:
        """Whether there are namespaces, and set up as `open` would do it."""
        entry = self._ledger.find(HOLDER)
        return bool(entry and entry.is_alive and entry.fingerprint == self._script(link))

    def open(self, pause: Path, link: Link) -> None:
        """Make the namespaces and set them up. Whatever was there before must be cleared."""
        self._require_visible(pause)
        with self._host.held():
            self._host.ensure(self._mounts.values())
            self._open(pause, link)

    def _open(self, pause: Path, link: Link) -> None:
        self._fill_mounts()
        argv = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc")
        command = (*argv, "--propagation", "slave", str(pause))
        process = self._start(command, HOLDER)
        self._ledger.record(HOLDER, Entry(process, ""))
        self._make_cgroups()
        link.connect(process.pid)
        run(*self.enter(), "sh", "-euc", self._script(link))
        self._ledger.record(HOLDER, Entry(process, self._script(link)))

    def clear(self, link: Link) -> None:
        """Take away what is left on the host once nothing runs inside any more."""
        self._remove_cgroups()
        with self._host.held():
            link.remove()
            self._host.release(link.name)

    def enter(self) -> tuple[str, ...]:
        """The start of a command line that runs the rest of it inside."""
        if (holder := self.holder) is None:
            raise StateError(f"the node of {self._state.folder} is down; run `linkerd local up`")
        return ("nsenter", f"--target={holder.pid}", "--mount", "--net", "--pid", "--")

    def spawn(self, argv: Sequence[str], state: State, name: str) -> Identity:
        """Start a component inside."""
        del state
        return self._start((*self.enter(), *argv), name)

    def _start(self, command: Sequence[str], name: str) -> Identity:
        """Both unshare and nsenter wait for one child, which is the process that counts."""
        state, log = self._state, self._state.log(name)
        parent = spawn(command, env=environment(state), cwd=state.folder, log=log)
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and identify(parent.pid) == parent:
            with suppress(psutil.Error):
                for child in psutil.Process(parent.pid).children():
                    if found := identify(child.pid):
                        return found
            time.sleep(0.005)
        raise ComponentError(name, "could not be started", log, telling_line(log.read_text()))

    def _script(self, link: Link) -> str:
        """What is done inside, first of all. Mounts of the host still show up within."""
        binds = (_bind(ours, theirs) for ours, theirs in self._mounts.items())
        return "\n".join(
            (
                "mount --make-rshared /",
                *binds,
                "mount -t tmpfs -o mode=0755 run /run",
                f"mkdir -p /run/lock /run/netns {KUBELET}",
                _bind(self._kubelet, KUBELET),
                "mount -t tmpfs -o mode=0755 log /var/log",
                link.inside(),
            )
        )

    def _require_visible(self, pause: Path) -> None:
        for path in (self._state.folder, pause):
            if any(path.resolve().is_relative_to(hidden) for hidden in _HIDDEN):
                raise StateError(
                    f"{path} is below {' or '.join(map(str, _HIDDEN))}, which a node has of its "
                    f"own; choose another place with --state or XDG_CACHE_HOME"
                )

    def _fill_mounts(self) -> None:
        """Debian's network plugins, an empty cache, and room for what else comes."""
        shutil.rmtree(self.cni / "cache", ignore_errors=True)
        for ours in (*self._mounts, self._kubelet):
            private_folder(ours)
        for plugin in PLUGINS.iterdir():
            own = self.cni / "bin" / plugin.name
            if not own.exists():
                own.symlink_to(plugin)

    def _remove_cgroups(self) -> None:
        name = self.cgroup.lstrip("/")
        for top in (_CGROUPS / name, *_CGROUPS.glob(f"*/{name}")):
            folders = [f for f in top.rglob("*") if f.is_dir()] if top.is_dir() else []
            for folder in (*reversed(folders), top):
                _remove_cgroup(folder)

    def _make_cgroups(self) -> None:
        """The cgroup below which all containers are: kubelet wants it to exist."""
        unified = (_CGROUPS / "cgroup.controllers").exists()
        if unified:
            _pass_controllers_down()
        hierarchies = [_CGROUPS] if unified else [f for f in _CGROUPS.iterdir() if f.is_dir()]
        for hierarchy in hierarchies:
            (hierarchy / self.cgroup.lstrip("/")).mkdir(exist_ok=True)


def _bind(ours: Path, theirs: Path) -> str:
    return shlex.join(("mount", "--bind", str(ours), str(theirs)))


def _pass_controllers_down() -> None:
    """cgroup v2: what the root can limit, its children may too; kubelet insists on some."""
    for controller in (_CGROUPS / "cgroup.controllers").read_text().split():
        with suppress(OSError):  # kubelet names those that it misses
            (_CGROUPS / "cgroup.subtree_control").write_text(f"+{controller}")


def _remove_cgroup(folder: Path) -> None:
    """Processes leave their cgroup a moment after they have ended."""
    deadline = time.monotonic() + _SECONDS
    while folder.is_dir():
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
