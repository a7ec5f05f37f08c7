"""Whether an API server that gives no answers has come back: one asks for all.

Whoever waits because the server is away would notice its return half a minute late (see backoff.py)
or would have to knock all the time. Here the server is asked something cheap once a second, from
the first request that gets no answer until the server answers, and then all who wait go on at once;
replicas do so at slightly different times.

Questions do not wait for each other: to a server that vanished without a word (a black hole) a new
connection is tried each second, while one whose answers take seconds is still heard. What was sent
before it vanished is given up on its return: TCP doubles the pauses between its own attempts, so
that those connections would come to life as late again as the server was away.

A server that comes back and fails at once must answer twice as often in a row the next time, so
that one which comes and goes is not run over at each of its returns.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Final

import structlog

from linkerd.kube.limits import AT_HOME
from linkerd.runtime.clock import Clock

_SPREAD: Final = 0.4  # seconds over which the replicas of a service go on
_SLOW: Final = 2.0  # seconds without an answer that make one ask
_SOON: Final = 5.0  # seconds; a server that was back for less comes and goes
_MOST_NEEDED: Final = 4  # answers in a row of such a one

_log = structlog.stdlib.get_logger(__name__)


class Presence:
    """One an API server and process. `ask` tells whether the server answers, in a few seconds, and
    does not raise. `returns` counts how often the server was away and has come back."""

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, bool]],
        clock: Clock,
        random: Random | None = None,
        *,
        interval: tuple[float, float] = AT_HOME.interval,
        at_once: int = AT_HOME.questions,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._interval = interval
        self._at_once = at_once
        self._random = random or Random()  # noqa: S311  # spreads load, guards nothing
        self._task: asyncio.Task[None] | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._unanswered: dict[asyncio.Timeout, float] = {}  # since when
        self._needed = 1  # answers in a row that made the last return
        self._returned_at = float("-inf")
        self._closed = False
        self._is_releasing = False  # it has come back, and those who wait are told in a moment
        self._missed_again = False  # since then
        self.away = False
        self.returns = 0

    def missed(self) -> None:
        """A request got no answer, or one of a server in trouble: finds out whether the server is
        away."""
        if self._is_releasing:
            self._missed_again = True
        elif self._task is None and not self._closed:
            self._task = asyncio.create_task(self._find_out(), name="ask for the API server")
            self._task.add_done_callback(self._found_out)

    async def cut_short(self, pause: Awaitable[None]) -> None:
        """Waits for the end of `pause`, or until the server, which was away, has come back."""
        back = asyncio.get_running_loop().create_future()
        self._waiters.add(back)
        sleep = asyncio.ensure_future(pause)
        try:
            await asyncio.wait((sleep, back), return_when=asyncio.FIRST_COMPLETED)
            if sleep.done():
                sleep.result()
        finally:
            self._waiters.discard(back)
            sleep.cancel()

    @asynccontextmanager
    async def answering(self, *, slow: bool = False) -> AsyncIterator[None]:
        """Surrounds a wait for something that the server sends. Raises TimeoutError if the server
        has been away meanwhile and is back: what is waited for is not to be expected any more.
        `slow`: that nothing comes for two seconds is a reason to ask whether it is away."""
        doubt = asyncio.get_running_loop().call_later(_SLOW, self.missed) if slow else None
        async with asyncio.timeout(None) as limit:
            self._unanswered[limit] = self._clock.monotonic()
            try:
                yield
            finally:
                self._unanswered.pop(limit, None)
                if doubt is not None:
                    doubt.cancel()

    async def close(self) -> None:
        """Asks no more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _find_out(self) -> None:
        asked_at = await self._until_it_answers()
        if asked_at is None:
            return
        self._is_releasing = True
        try:
            await self._clock.sleep(self._random.uniform(0.0, _SPREAD))
        finally:
            self._is_releasing = False
        self.away = False
        self.returns += 1
        self._returned_at = self._clock.monotonic()
        self._give_up_what_was_sent_before(asked_at)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until_it_answers(self) -> float | None:
        """When the question was asked whose answer makes it a return; None if it was not away:
        the first question was answered, and no later one before it."""
        needed = self._answers_needed()
        first = self._question()
        asked, tick = {first: self._clock.monotonic()}, self._tick()
        in_a_row = 0
        try:
            while True:
                done, _ = await asyncio.wait((tick, *asked), return_when=asyncio.FIRST_COMPLETED)
                for question in [each for each in asked if each in done]:
                    asked_at = asked.pop(question)
                    answered = question.result()
                    if question is first and answered and not self.away:
                        return None
                    in_a_row = in_a_row + 1 if answered else 0
                    self.away = True
                    if in_a_row >= needed:
                        self._needed = needed
                        return asked_at
                if tick.done():
                    tick = self._tick()
                    if len(asked) < self._at_once:
                        asked[self._question()] = self._clock.monotonic()
        finally:
            for task in (tick, *asked):
                task.cancel()

    def _answers_needed(self) -> int:
        if self._clock.monotonic() - self._returned_at < _SOON:
            return min(2 * self._needed, _MOST_NEEDED)
        return 1

    def _question(self) -> asyncio.Task[bool]:
        return asyncio.create_task(self._ask(), name="ask whether the API server is there")

    def _tick(self) -> asyncio.Task[None]:
        pause = self._clock.sleep(self._random.uniform(*self._interval))
        return asyncio.ensure_future(pause)

    def _give_up_what_was_sent_before(self, moment: float) -> None:
        now = asyncio.get_running_loop().time()
        for limit in [limit for limit, since in self._unanswered.items() if since < moment]:
            del self._unanswered[limit]
            limit.reschedule(now)

    def _found_out(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("asking for the API server failed", error=repr(error))
        if self._missed_again:
            self._missed_again = False
            self.missed()
