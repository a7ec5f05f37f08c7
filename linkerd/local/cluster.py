"""One local cluster: bring it up, look at it, take it down.

The command line and the tests use this class and nothing below it. All methods block. `up` and
`down` hold the cluster's lock, so two callers take turns; both may be repeated at any time, and
after anything was killed at any moment.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from linkerd.local.api import AdminApi
from linkerd.local.component import Component
from linkerd.local.control_plane import ControlPlane
from linkerd.local.errors import LocalError, StateError
from linkerd.local.files import locked
from linkerd.local.images import image_names, load_archive
from linkerd.local.node import Node, open_node
from linkerd.local.programs import find_program
from linkerd.local.progress import Progress, SilentProgress
from linkerd.local.requirements import require_node
from linkerd.local.runner import Condition, Loopback, Runner
from linkerd.local.state import Record, State
from linkerd.local.system import run

_GRACE_SECONDS: Final = 1.0


class Layout(Protocol):
    """What a cluster consists of: a control plane alone, or a node too."""

    runner: Runner

    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    def up(self, progress: Progress) -> None: ...
    def down(self, *, grace: float) -> None: ...
    def components(self) -> list[Component]: ...


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One line of `linkerd local status`."""

    name: str
    condition: Condition
    pid: int | None
    log: Path


class LocalCluster:
    """The cluster whose state is in one directory.

    `api_only` and `port` matter to `up` alone: etcd and the API server on loopback (on `port`, or
    a free one), or else a whole node, which needs root. Everything else looks at what is there.
    """

    def __init__(self, state: Path, *, api_only: bool = False, port: int | None = None) -> None:
        self._state = State(state)
        self._api_only = api_only
        self._port = port

    @property
    def state(self) -> Path:
        """The state directory."""
        return self._state.folder

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; mode 0600. It is there once the cluster is up."""
        return self._state.kubeconfig

    def existing_kubeconfig(self) -> Path:
        """The same. Raises LocalError when the cluster was never up."""
        self._existing()
        return self.kubeconfig

    def up(self, progress: Progress | None = None) -> None:
        """Start what does not run and return when all is ready. Raises LocalError."""
        if not self._api_only:
            require_node()
        with self._said_plainly(), locked(self._state.lock):
            record = self._record_for_up()
            self._layout(record).up(progress or SilentProgress())

    def down(self, *, delete: bool = False) -> None:
        """End all that `up` started; with `delete`, remove the state directory too."""
        with self._said_plainly():
            if not self.state.exists():
                return
            self._down(delete=delete)

    def _down(self, *, delete: bool) -> None:
        with locked(self._state.lock):
            if record := self._known(lenient=delete):
                self._layout(record).down(grace=0 if delete else _GRACE_SECONDS)
            if delete:
                self._delete()

    def status(self) -> list[ComponentStatus]:
        """Every component of the cluster, in the order of start; none when it was never up."""
        record = self._known()
        if record is None:
            return []
        layout = self._layout(record)
        return [
            ComponentStatus(
                component.name,
                layout.runner.check(component),
                layout.runner.pid(component.name),
                self._state.log(component.name),
            )
            for component in layout.components()
        ]

    def stop(self, name: str, *, grace: float = 0) -> None:
        """End one component and leave the others; `start` or `up` brings it back."""
        self._existing().runner.stop(name, grace=grace)

    def start(self, name: str) -> None:
        """Start one component again and wait until it is ready."""
        layout = self._existing()
        component = next((c for c in layout.components() if c.name == name), None)
        if component is None:
            raise LocalError(f"this cluster has no component {name!r}")
        layout.runner.start(component)
        layout.runner.wait_ready([component])

    def log(self, name: str) -> Path:
        """The component's log file. Raises LocalError, naming those there are, for another."""
        file = self._state.log(name)
        if not file.exists():
            names = ", ".join(sorted(f.stem for f in self._state.logs.glob("*.log"))) or "none yet"
            raise LocalError(f"there is no log of {name!r}; there is one of: {names}")
        return file

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl as the administrator and return what it printed.

        Raises LocalError with kubectl's own words when it fails.
        """
        command = self.kubectl_command(arguments)
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise LocalError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def kubectl_command(self, arguments: Sequence[str]) -> list[str]:
        """The command line that runs kubectl against this cluster."""
        program = find_program("kubectl")
        if program is None or not self.kubeconfig.exists():
            raise LocalError(
                f"there is no cluster in {self.state}; start one with `linkerd local up`"
            )
        return [str(program), f"--kubeconfig={self.kubeconfig}", *arguments]

    @contextmanager
    def api(self) -> Iterator[AdminApi]:
        """Requests to the API as the administrator, over one connection."""
        layout = self._existing()
        api = AdminApi(self._state, layout.address, layout.port)
        try:
            yield api
        finally:
            api.close()

    def images(self) -> set[str]:
        """The full names of all images on the node."""
        return image_names(self._node().space)

    def has_image(self, name: str) -> bool:
        """Whether the node has the image of that full name."""
        return name in self.images()

    def load_image(self, archive: Path) -> list[str]:
        """Import an archive (OCI or Docker); the names of images that were not there before."""
        return load_archive(self._node().space, archive)

    def on_node(self, *command: str) -> str:
        """Run a program of the host in the node's namespaces; what it prints."""
        return run(*self._node().space.enter(), *command)

    def _node(self) -> Node:
        layout = self._existing()
        if not isinstance(layout, Node):
            raise LocalError(
                f"the cluster in {self.state} has no node (it was started with --api-only); "
                f"run `linkerd local up` to give it one"
            )
        return layout

    def _layout(self, record: Record) -> Layout:
        if record.api_only:
            return ControlPlane(self._state, record, Loopback(), port=self._port)
        return open_node(self._state, record)

    def _existing(self) -> Layout:
        record = self._known()
        if record is None:
            raise LocalError(
                f"there is no cluster in {self.state}; start one with `linkerd local up`"
            )
        return self._layout(record)

    def _known(self, *, lenient: bool = False) -> Record | None:
        try:
            with self._said_plainly():
                return self._state.load() if self.state.exists() else None
        except StateError:
            if lenient and (self.state / "cluster.json").exists():
                return Record(id="unknown", api_only=True)
            raise

    @contextmanager
    def _said_plainly(self) -> Iterator[None]:
        """What the system refuses, as an error of ours; such as another user's cluster."""
        try:
            yield
        except OSError as error:
            place = error.filename or self.state
            raise StateError(
                f"{place}: {error.strerror}; a cluster's directory must be yours "
                f"({self.state} here; name another with --state)"
            ) from error

    def _record_for_up(self) -> Record:
        record = self._state.load() if self.state.exists() else None
        if record is None:
            return self._state.create(api_only=self._api_only)
        if record.api_only != self._api_only:
            kind = "of the API alone" if record.api_only else "with a node"
            raise StateError(
                f"{self.state} holds a cluster {kind}, whose addresses do not fit the other kind; "
                f"end it with `linkerd local down --delete`, or name another directory with --state"
            )
        return record

    def _delete(self) -> None:
        if (self.state / "cluster.json").exists():
            shutil.rmtree(self.state)
        self._state.lock.unlink(missing_ok=True)
