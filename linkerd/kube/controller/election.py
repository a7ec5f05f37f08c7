"""Leader election over a Lease of coordination.k8s.io: one of several replicas acts, the rest wait.

The protocol is client-go's, so that replicas of either kind can compete for one Lease:

- The holder writes the record anew every few seconds. Others take the Lease when they have seen no
  other record for its duration, measured on their own clock from when *they* saw it first: the
  timestamps in the record are for people, and clocks may differ as they like.
- Every write says which version it replaces, so that of two candidates one is refused.
- A holder that could not renew for the renew deadline stops leading, well before anybody else can
  begin: the deadline runs from when its last successful write was sent.
- An orderly end gives the Lease back, and the next one need not wait.

An API server that is away costs leadership, never the process: it is competed for again for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, Final, NoReturn, TypeVar

from prometheus_client import CollectorRegistry, Gauge

from linkerd.kube.controller.lease import Document, Lock
from linkerd.kube.errors import Conflict, KubeError, NotFound
from linkerd.runtime.clock import Clock, SystemClock
from linkerd.runtime.logs import get_logger

T = TypeVar("T")

_RELEASE_TIMEOUT: Final = 3.0  # seconds that an orderly end waits for the server
_JITTER: Final = 0.2  # of the retry period, on top of it
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. How long others wait for a silent holder, how long a holder tries to renew, and
    how long everybody waits between two tries. `renew_deadline` must be well below `duration`."""

    duration: float = 30.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.renew_deadline < self.duration:
            raise ValueError(f"{self}: retry < renew_deadline < duration does not hold")


class LeaseMetrics:
    """Whether we lead, by Lease. One for all elections of a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.leading = Gauge(
            "leader_election_master_status",
            "1 while this process holds the Lease, else 0.",
            ["name"],
            registry=registry,
        )


class Election:
    """One candidate. `identity` must be its own among all candidates, dead ones aside: whoever
    finds its identity in the record goes on where it left off."""

    def __init__(
        self,
        lock: Lock,
        identity: str,
        *,
        metrics: LeaseMetrics,
        clock: Clock | None = None,
        times: LeaseTimes | None = None,
        random: Random | None = None,
    ) -> None:
        if not identity:
            raise ValueError("a candidate needs an identity")
        self._lock = lock
        self._identity = identity
        self._clock = clock or SystemClock()
        self._times = times or LeaseTimes()
        self._random = random or Random()  # noqa: S311  # spreads load, guards nothing
        self._gauge = metrics.leading.labels(lock.name)
        self._leading = False
        self._held: Document | None = None  # the Lease as we wrote it last, while we hold it
        self._sent_at = 0.0  # when the write that made it so was sent
        self._seen: Document | None = None  # the spec that was there last
        self._seen_at = 0.0  # when it was new to us
        self._trouble = ""
        self._log = _log.bind(name=lock.name)

    @property
    def name(self) -> str:
        """Which Lease it is about."""
        return self._lock.name

    @property
    def leading(self) -> bool:
        """Whether we lead now."""
        return self._leading

    @property
    def surely_leading(self) -> bool:
        """Whether nobody else can lead yet. A process that was stopped for a while, and goes on, is
        told last that its leadership is lost: who writes asks this first."""
        deadline = self._sent_at + self._times.renew_deadline
        return self._leading and self._clock.monotonic() < deadline

    async def run(self, lead: Callable[[], Awaitable[object]]) -> NoReturn:
        """Competes for ever, and runs `lead` each time that it leads, until the leadership is lost
        (then `lead` is cancelled and waited for) or `lead` returns (then the Lease is given back).

        Cancel it to end it; a Lease that is held is given back then. What `lead` raises is raised.
        """
        try:
            while True:
                await self._acquire()
                await self._lead(lead)
                await self._release()
                await self._pause()
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while not await self._try(self._times.renew_deadline):
            await self._pause()

    async def _lead(self, lead: Callable[[], Awaitable[object]]) -> None:
        self._set_leading(True)
        keeper = asyncio.create_task(self._keep(), name=f"renew {self._lock.name}")
        leader = asyncio.create_task(_await(lead()), name=f"lead {self._lock.name}")
        try:
            await asyncio.wait((keeper, leader), return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                keeper.result()
                why = self._trouble or "this process was held up"
                self._log.warning("leadership lost; competing again", error=why)
        finally:
            await _end(leader)
            await _end(keeper)
            self._set_leading(False)
        if not leader.cancelled():
            leader.result()

    def _set_leading(self, leading: bool) -> None:
        self._leading = leading
        self._gauge.set(1 if leading else 0)
        if leading:
            self._trouble = ""
            self._log.info("leading", detail=self._identity)

    async def _keep(self) -> None:
        """Renews; returns when the leadership is lost."""
        while self._held is not None or not self._somebody_else_holds_it():
            await self._pause()
            left = self._sent_at + self._times.renew_deadline - self._clock.monotonic()
            if left <= 0:
                return
            await self._try(min(left, self._times.renew_deadline / 2))

    async def _pause(self) -> None:
        retry = self._times.retry
        await self._clock.sleep(retry * self._random.uniform(1.0, 1.0 + _JITTER))

    async def _try(self, seconds: float) -> bool:
        """Whether we got or renewed the Lease, within `seconds`. Trouble is logged when new."""
        try:
            return await _within(seconds, self._clock, self._write())
        except TimeoutError:
            self._note(f"no answer in {seconds:.0f} s")
        except Conflict as error:  # somebody was faster, or our own write without an answer was
            self._held = None
            self._trouble = str(error)
        except KubeError as error:
            if isinstance(error, NotFound):  # deleted meanwhile, or its namespace is
                self._held = None
            self._note(str(error))
        return False

    def _note(self, problem: str) -> None:
        log = self._log.debug if self._trouble == problem else self._log.warning
        self._trouble = problem
        log("the Lease can be neither read nor written; trying again", error=problem)

    async def _write(self) -> bool:
        """Writes our name into the Lease, unless another's is there and fresh."""
        lease = self._held or await self._read()
        if lease is None:
            sent_at = self._clock.monotonic()
            self._hold(await self._lock.create(self._record({})), sent_at)
            return True
        spec = lease.get("spec") or {}
        if self._held is None and not self._may_take(spec):
            self._wait_for(str(spec.get("holderIdentity")))
            return False
        sent_at = self._clock.monotonic()
        self._hold(await self._lock.replace({**lease, "spec": self._record(spec)}), sent_at)
        return True

    def _wait_for(self, holder: str) -> None:
        trouble = f"{holder} holds it"
        if self._trouble != trouble:
            self._trouble = trouble
            self._log.info("another replica leads", detail=holder)

    async def _read(self) -> Document | None:
        try:
            lease = await self._lock.read()
        except NotFound:
            return None
        spec = lease.get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock.monotonic()
        return lease

    def _may_take(self, spec: Document) -> bool:
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self._identity):
            return True
        duration = spec.get("leaseDurationSeconds") or self._times.duration
        return self._clock.monotonic() >= self._seen_at + float(duration)

    def _somebody_else_holds_it(self) -> bool:
        """Whether the record that we saw last says so; then renewing is over."""
        return ((self._seen or {}).get("holderIdentity") or "") not in ("", self._identity)

    def _hold(self, lease: Document, sent_at: float) -> None:
        self._held = lease
        self._sent_at = sent_at
        self._trouble = ""
        self._seen = lease.get("spec") or {}
        self._seen_at = self._clock.monotonic()

    def _record(self, before: Document) -> Document:
        now = self._stamp()
        ours = before.get("holderIdentity") == self._identity
        changes = int(before.get("leaseTransitions") or 0)
        return {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._times.duration),
            "acquireTime": before.get("acquireTime") or now if ours else now,
            "renewTime": now,
            "leaseTransitions": changes if ours or not before else changes + 1,
        }

    async def _release(self) -> None:
        """Gives the Lease back, if we have it; whoever waits for it may take it at once."""
        lease, self._held = self._held, None
        if lease is None:
            return
        now = self._stamp()
        spec = {
            **lease["spec"],
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": now,
            "renewTime": now,
        }
        try:
            released = self._lock.replace({**lease, "spec": spec})
            await _within(_RELEASE_TIMEOUT, self._clock, released)
            self._log.info("the Lease is given back")
        except (KubeError, TimeoutError) as error:
            self._log.warning("the Lease is not given back; it runs out", error=str(error))

    def _stamp(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def _await(awaitable: Awaitable[object]) -> None:
    await awaitable


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels the task and waits for it, whatever it ends with."""
    task.cancel()
    await asyncio.wait((task,))


async def _within(seconds: float, clock: Clock, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. Raises TimeoutError when it takes longer, by this clock."""
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise TimeoutError(f"no answer in {seconds:.0f} s")
        return task.result()
    finally:
        task.cancel()
        timer.cancel()
        await asyncio.gather(task, timer, return_exceptions=True)
