"""The timers of a connection: its beginning, its heartbeat, its age."""

import random
from collections.abc import Callable
from typing import Final

from linkerd.rpc.h2 import limits
from linkerd.rpc.h2.session import Session
from linkerd.rpc.h2.timers import Cancellable, Timers
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.logs import get_logger

_JITTER: Final = 0.1
_log = get_logger(__name__)


class Life:
    """Of one connection. `abort` drops it, with what is unsent."""

    def __init__(
        self, session: Session, options: ServerOptions, timers: Timers, abort: Callable[[], None]
    ) -> None:
        self._session = session
        self._options = options
        self._timers = timers
        self._abort = abort
        self._heard = False
        self._running: dict[str, Cancellable] = {}
        self._after("preface", limits.PREFACE_SECONDS, self._expect)
        self._after("beat", options.keepalive_interval.total_seconds(), self._beat)
        if options.connection_age is not None:
            age = options.connection_age.total_seconds()
            jitter = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  # no secret
            self._after("age", age * jitter, self._retire)

    def heard(self) -> None:
        """The peer has said something."""
        self._heard = True
        if self._session.begun and "preface" in self._running:
            self._running.pop("preface").cancel()

    def linger(self) -> None:
        """The last words are written; the peer may close. To close with unread bytes would destroy
        our words on their way."""
        self._after("linger", self._session.linger, self._abort)

    def close(self) -> None:
        """The connection is gone."""
        for timer in self._running.values():
            timer.cancel()
        self._running.clear()

    def _after(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        timer = self._running.pop(name, None)
        if timer is not None:
            timer.cancel()
        self._running[name] = self._timers.call_later(seconds, call)

    def _expect(self) -> None:
        if not self._session.begun:
            self._abort()

    def _beat(self) -> None:
        """Looks after a connection that was silent, and after requests that do not get on."""
        self._session.sweep()
        if self._heard:
            self._heard = False
            self._after("beat", self._options.keepalive_interval.total_seconds(), self._beat)
        elif not self._session.over:
            self._session.ask()
            self._after("beat", self._options.keepalive_timeout.total_seconds(), self._judge)

    def _judge(self) -> None:
        if self._heard:
            self._beat()
        else:
            _log.debug("a client is silent", peer=self._session.peer)
            self._abort()

    def _retire(self) -> None:
        self._session.retire()
        grace = self._options.connection_age_grace.total_seconds()
        self._after("age", grace, self._end)

    def _end(self) -> None:
        self._session.cut("the connection is too old")
