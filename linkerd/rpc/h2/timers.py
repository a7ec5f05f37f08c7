"""Time, as sessions know it: given to them, so that tests set it by hand."""

from collections.abc import Callable
from typing import Any, Protocol


class Cancellable(Protocol):
    """A task, or a timer."""

    def cancel(self) -> object:
        """Ends it."""


class Timers(Protocol):
    """Time, and what is to be done later."""

    def time(self) -> float:
        """Seconds since whenever; it moves within a turn of the event loop."""

    def call_later(self, delay: float, callback: Callable[..., Any], /, *args: Any) -> Cancellable:
        """Calls in `delay` seconds."""
