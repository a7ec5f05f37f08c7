"""Whether the process is ready to serve, and what it still waits for.

Parts of the process hold gates ("pods cache", "grpc listener"); the process is ready while every
gate is open. The admin server and the gRPC health service read it.
"""

from collections.abc import Callable


class Gate:
    """One condition of readiness; closed at first. Opening or closing twice is harmless."""

    __slots__ = ("_owner", "is_open", "name")

    def __init__(self, owner: "Readiness", name: str) -> None:
        self._owner = owner
        self.name = name
        self.is_open = False

    def open(self) -> None:
        """The condition holds."""
        self._set(is_open=True)

    def close(self) -> None:
        """The condition does not hold (any more)."""
        self._set(is_open=False)

    def _set(self, *, is_open: bool) -> None:
        before = self._owner.ready
        self.is_open = is_open
        self._owner.changed(before)


class Readiness:
    """The conjunction of its gates."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}
        self._callbacks: list[Callable[[bool], None]] = []

    def gate(self, name: str) -> Gate:
        """The gate called `name`, made closed at its first mention."""
        gate = self._gates.get(name)
        if gate is None:
            before = self.ready
            gate = self._gates[name] = Gate(self, name)
            self.changed(before)
        return gate

    @property
    def ready(self) -> bool:
        """Whether all gates are open; true without any."""
        return all(gate.is_open for gate in self._gates.values())

    @property
    def waiting(self) -> list[str]:
        """The names of the closed gates, in the order they were made."""
        return [gate.name for gate in self._gates.values() if not gate.is_open]

    def on_change(self, callback: Callable[[bool], None]) -> None:
        """Calls `callback(ready)` at every change of readiness from now on."""
        self._callbacks.append(callback)

    def changed(self, before: bool) -> None:
        """Tells the callbacks if readiness is no longer `before`; called by gates."""
        now = self.ready
        if now != before:
            for callback in self._callbacks:
                callback(now)
