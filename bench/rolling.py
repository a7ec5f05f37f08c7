"""A rolling restart with many listeners: what they hear, and what it costs.

The biggest load gives the headline; all together give the fit, which is linear in batches and in
batches x listeners or has an error that says otherwise.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import destination, requests
from bench.change_cost import describe
from bench.cluster import Cluster
from bench.figures import Figure
from bench.least_squares import Cell, Fit, Term, fit
from bench.load import Load
from bench.processes import BenchError, Server, cpu_ns, settled
from bench.rolled import Rolled, Write
from linkerd.local.progress import Progress

REPLICAS = (200, 500)
LISTENERS = (500, 2000)
BATCH = 25

CLAIM: Mapping[str, Term] = {
    "batches": lambda cell: float(cell.changed),
    "batches*listeners": lambda cell: float(cell.changed * cell.listeners),
}


@dataclass(frozen=True, slots=True)
class Roll:
    """One rolling restart: messages of the listener that got the most, of all of them, and CPU."""

    replicas: int
    listeners: int
    batches: int
    most: int
    messages: int
    cpu_us: float

    @property
    def cell(self) -> Cell:
        """Its place in the fit."""
        return Cell(self.replicas, self.listeners, self.batches, self.cpu_us)


async def run(
    cluster: Cluster,
    logs: Path,
    progress: Progress,
    *,
    replicas: Sequence[int] = REPLICAS,
    listeners: Sequence[int] = LISTENERS,
    batch: int = BATCH,
) -> list[Figure]:
    """Restarts Deployments of each size before each number of listeners."""
    rolls: list[Roll] = []
    async with destination.serve(cluster, logs / "rolling.log") as server:
        for size in replicas:
            rolled = Rolled(cluster.client, cluster.shape, size, min(batch, size))
            await rolled.create()
            try:
                for count in listeners:
                    rolls.append(await _roll(server, rolled, count))
                    progress.note(_line(rolls[-1]))
            finally:
                await rolled.delete()
    result = fit([roll.cell for roll in rolls], CLAIM)
    progress.note(describe("cost", result))
    return _figures(rolls, result)


async def _roll(server: Server, rolled: Rolled, listeners: int) -> Roll:
    request = requests.get_destination(rolled.authority)
    await settled(server.pid)
    async with Load.open(server.address, [request], streams=listeners, connections=20) as load:
        first = await load.first()
        await settled(server.pid)
        begun = cpu_ns(server.pid)
        await rolled.roll(_heard_by(server, load))
        await settled(server.pid)
        cpu = cpu_ns(server.pid) - begun
        status = await load.status()
    if status.open < listeners:
        raise BenchError(f"streams ended: {status.ended} {status.details}")
    messages = status.messages - first.messages
    return Roll(rolled.replicas, listeners, rolled.batches, status.most - 1, messages, cpu / 1e3)


def _heard_by(server: Server, load: Load) -> Callable[[Write], Awaitable[None]]:
    """Makes a write once the server rests, and waits until every listener has heard something.

    Batches of a Deployment are seconds apart, and a pod runs for seconds before it is ready: the
    server knows a pod before its slice says that it is ready.
    """

    async def arrives(write: Write) -> None:
        await settled(server.pid)
        await load.arm()
        await write()
        await load.changed()

    return arrives


def _line(roll: Roll) -> str:
    return (
        f"{roll.replicas:>5,} pods {roll.listeners:>6,} listeners {roll.batches:>3} batches: "
        f"at most {roll.most} messages each, {roll.cpu_us / 1e3:8.1f} ms CPU, "
        f"{roll.cpu_us / roll.messages:6.1f} us a message"
    )


def _figures(rolls: list[Roll], result: Fit) -> list[Figure]:
    largest = max(rolls, key=lambda roll: roll.messages)
    at = {
        "pods": largest.replicas,
        "listeners": largest.listeners,
        "batches": largest.batches,
    }
    sizes = {"rolls": len(rolls)}
    most = max(roll.most / roll.batches for roll in rolls)
    return [
        Figure("rolling_messages_per_batch", most, at),
        Figure("rolling_cpu_us_per_message", largest.cpu_us / largest.messages, at),
        Figure("rolling_fit_us_per_message", result.terms["batches*listeners"], sizes),
        Figure("rolling_fit_ms_per_batch", result.terms["batches"] / 1e3, sizes),
        Figure("rolling_fit_error", result.mean_error, sizes),
    ]
