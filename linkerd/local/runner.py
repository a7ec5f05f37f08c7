"""Keep the components of one cluster in the state that is asked for.

A `Place` says where components live: directly on the host, or inside the namespaces of a node. The
runner starts what does not run (or runs with another command line), waits until it is ready, and
stops exactly what it started. Nothing is restarted behind the caller's back: a component that
crashed shows in `check`, and the next `up` starts it again.
"""

import os
import time
from collections.abc import Sequence
from enum import Enum
from typing import Final, Protocol

from linkerd.local.component import Component
from linkerd.local.errors import ComponentError
from linkerd.local.processes import (
    Entry,
    Identity,
    Ledger,
    find_marked,
    is_alive,
    spawn,
    stop,
)
from linkerd.local.state import State
from linkerd.local.system import system_path

MARK: Final = "LINKERD_LOCAL_COMPONENT_OF"
_POLL_SECONDS: Final = 0.05
_KEPT_VARIABLES: Final = ("HOME", "LANG", "TZ")


class Condition(Enum):
    """How a component is."""

    READY = "ready"
    STARTING = "not ready"
    CRASHED = "crashed"
    STOPPED = "stopped"


class Place(Protocol):
    """Where components live."""

    address: str

    def spawn(self, argv: Sequence[str], state: State, name: str) -> Identity:
        """Start the command there, detached, with its output in the component's log."""
        ...


class Loopback:
    """Directly on this machine, on loopback only."""

    address: str = "127.0.0.1"

    def spawn(self, argv: Sequence[str], state: State, name: str) -> Identity:
        return spawn(argv, env=environment(state), cwd=state.folder, log=state.log(name))


def environment(state: State) -> dict[str, str]:
    """What a component sees of the caller's environment, and the mark by which it is found."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return kept | {"PATH": system_path(), MARK: str(state.folder)}


class Runner:
    """Starts, watches and stops components of the cluster in `state`."""

    def __init__(self, state: State, place: Place) -> None:
        self._state = state
        self._place = place
        self._ledger = Ledger(state.run)

    def start(self, component: Component) -> bool:
        """Start it unless it runs as it should; True when it was started."""
        entry = self._ledger.find(component.name)
        if entry and entry.is_alive and entry.fingerprint == component.fingerprint:
            return False
        self.stop(component.name)
        process = self._place.spawn(component.argv, self._state, component.name)
        self._ledger.record(component.name, Entry(process, component.fingerprint))
        return True

    def wait_ready(self, components: Sequence[Component]) -> None:
        """Return when all are ready. Raises ComponentError for the first that ends or is late."""
        began = time.monotonic()
        waiting = list(components)
        while waiting := [c for c in waiting if not self._check_alive(c) or not c.ready()]:
            for component in waiting:
                if time.monotonic() - began > component.patience:
                    raise self._error(component, f"is not ready after {component.patience:.0f} s")
            time.sleep(_POLL_SECONDS)

    def check(self, component: Component) -> Condition:
        """How the component is now; asks its readiness probe."""
        entry = self._ledger.find(component.name)
        if entry is None:
            return Condition.STOPPED
        if not entry.is_alive:
            return Condition.CRASHED
        return Condition.READY if component.ready() else Condition.STARTING

    def is_expected(self, name: str) -> bool:
        """Whether the component was started and not stopped since, alive or not."""
        return self._ledger.find(name) is not None

    def pid(self, name: str) -> int | None:
        """The component's pid; None when it does not run."""
        entry = self._ledger.find(name)
        return entry.process.pid if entry and entry.is_alive else None

    def stop(self, name: str, *, grace: float = 5.0) -> None:
        """End the component if it runs, and expect it no more."""
        if entry := self._ledger.find(name):
            stop(entry.process, grace=grace)
        self._ledger.forget(name)

    def stop_all(self, order: Sequence[str], *, grace: float = 5.0) -> None:
        """End everything: the components of `order` in that order, then all else of ours."""
        for name in (*order, *self._ledger.names()):
            self.stop(name, grace=grace)
        for stray in find_marked(MARK, str(self._state.folder)):
            stop(stray, grace=0)

    def runs_anything(self) -> bool:
        """Whether any process of the cluster is alive."""
        entries = (self._ledger.find(name) for name in self._ledger.names())
        return any(is_alive(entry.process) for entry in entries if entry)

    def _check_alive(self, component: Component) -> bool:
        entry = self._ledger.find(component.name)
        if entry is None or not entry.is_alive:
            raise self._error(component, "ended")
        return True

    def _error(self, component: Component, reason: str) -> ComponentError:
        log = self._state.log(component.name)
        return ComponentError(
            component.name, reason, log, telling_line(log.read_text("utf-8", "replace"))
        )


def telling_line(log: str, *, limit: int = 400) -> str:
    """The line of a component's log that most likely says why it ended; "" when none does."""
    lines = [line.strip() for line in log.splitlines()[-60:] if line.strip()]
    telling = [
        line for line in lines if line.startswith(("Error", "E", "F", "panic")) or '"fatal"' in line
    ]
    chosen = (telling or lines or [""])[-1]
    return chosen if len(chosen) <= limit else chosen[:limit] + "..."
