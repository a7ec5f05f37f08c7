"""What a method knows of a call: a `Call` over the headers of its request."""

from collections.abc import Callable, Mapping

from linkerd.rpc.h2.headers import Header, Request, metadata_of


class H2Call:
    """A `Call`. Its deadline is in the time of `clock`, in seconds."""

    __slots__ = ("_deadline", "_headers", "_peer", "clock")

    def __init__(self, request: Request, peer: str, clock: Callable[[], float]) -> None:
        self._headers: tuple[Header, ...] = request.metadata
        self._peer = peer
        self.clock = clock
        self._deadline = None if request.timeout is None else clock() + request.timeout

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """What the client sent along; empty when the method has returned."""
        return metadata_of(self._headers)

    @property
    def peer(self) -> str:
        return self._peer

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline; None without one, and when the call has ended."""
        return None if self._deadline is None else max(0.0, self._deadline - self.clock())

    def forget(self) -> None:
        """The method has returned. A stream may stay for weeks, and headers take kilobytes."""
        self._headers = ()

    def ended(self) -> None:
        """The call is over."""
        self._deadline = None
