"""Known attacks on HTTP/2, kind by kind, and what another client and `/ping` feel of them.

    python -m bench.attacks                             # all kinds, some 15 minutes
    python -m bench.attacks --kind valid --kind ping    # some
    python -m bench.attacks --engine grpcio             # gRPC core's

Each kind floods for five seconds from one connection, from five, and, where a proxy would carry it,
on the connection that a bystander shares as behind a proxy, which follows a stream and makes calls
there; connections that end are made anew at once. The
server, the attacker and the bystander are processes of their own on loopback; as root the bystander
and the server run before others, so that what is measured is the server's time and not that of
whatever else the machine does.
"""

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from bench.processes import ROOT
from linkerd.rpc.engines import ENGINES
from tests.support.attacks import trial
from tests.support.attacks.attacker import Order
from tests.support.attacks.bystander import percentile
from tests.support.attacks.kinds import KINDS
from tests.support.attacks.trial import Outcome, TrialError

GOAL_P99_MS = 50.0
GOAL_PING_MS = 100.0
GOAL_SHARED_MS = 250.0
_SERVER, _BYSTANDER, _ATTACKER = -10, -15, 5
"""Niceness; below 0 as root only."""
_SEND_BUFFER = 32 << 10  # of which Linux makes twice as much


@dataclass(frozen=True, slots=True)
class Row:
    """What a trial showed. Milliseconds; infinite when nothing was answered."""

    kind: str
    connections: int
    shared: bool
    p50: float
    p99: float
    worst: float
    failed: int
    ping: float
    pings_failed: int
    cpu_percent: float
    growth_mib: float
    peak_mib: float
    log_kib: float
    ends: str
    call_worst: float = 0.0
    """Of calls that share the flood's connection."""

    @property
    def good(self) -> bool:
        """Whether the goals are reached."""
        if self.failed and not self.shared:
            return False
        reached = self.worst <= GOAL_SHARED_MS if self.shared else self.p99 <= GOAL_P99_MS
        return reached and self.ping <= GOAL_PING_MS and not self.pings_failed


def row(order: Order, outcome: Outcome) -> Row:
    """The figures of a trial. Where the bystander shares the flood's connection, they are of the
    updates that its stream there gets; the calls that failed went with a connection that ended."""
    attacked, witnessed = outcome.attacked, outcome.witnessed
    calls = attacked.updates_ms if order.shared else witnessed.calls_ms
    return Row(
        kind=order.kind,
        connections=order.connections,
        shared=order.shared,
        p50=percentile(calls, 0.5),
        p99=percentile(calls, 0.99),
        worst=percentile(calls, 1.0),
        failed=attacked.shared_lost if order.shared else witnessed.calls_failed,
        ping=percentile(witnessed.pings_ms, 1.0),
        pings_failed=witnessed.pings_failed,
        cpu_percent=outcome.cpu_seconds / outcome.seconds * 100,
        growth_mib=outcome.growth_bytes / 2**20,
        peak_mib=outcome.peak_bytes / 2**20,
        log_kib=outcome.log_bytes / 2**10,
        ends=_ends(attacked.ends),
        call_worst=percentile(attacked.shared_ms, 1.0) if order.shared else 0.0,
    )


def _ends(ends: "dict[str, int]") -> str:
    return ", ".join(f"{count} {end}" for end, count in sorted(ends.items()))


def orders(kinds: Sequence[str], connections: Sequence[int], seconds: float) -> Iterator[Order]:
    """What to measure."""
    for kind in kinds:
        for count in connections:
            yield Order(kind, connections=count, seconds=seconds, again=True, niceness=_ATTACKER)
        if KINDS[kind].proxied:
            yield Order(
                kind,
                seconds=seconds,
                again=True,
                shared=True,
                send_buffer=_SEND_BUFFER,
                niceness=_ATTACKER,
            )


def measure(engine: str, order: Order) -> Row:
    """One trial on a new server."""
    first = os.geteuid() == 0
    with trial.serving(engine, niceness=_SERVER if first else 0) as server:
        return row(order, trial.attack(server, order, niceness=_BYSTANDER if first else 0))


HEAD = (
    f"{'kind':30} {'from':>7} {'p50 ms':>8} {'p99 ms':>8} {'worst':>8} {'/ping':>8} {'CPU %':>6} "
    f"{'MiB':>6} {'peak':>6} {'log KiB':>7}  how connections ended"
)


def line(row: Row) -> str:
    """A row as text; `!` marks one that misses a goal."""
    source = "shared" if row.shared else str(row.connections)
    failed = f"; {row.failed} calls failed" if row.failed else ""
    if row.shared and math.isfinite(row.call_worst):
        failed += f"; calls waited up to {row.call_worst:.0f} ms"
    failed += f"; {row.pings_failed} pings failed" if row.pings_failed else ""
    return (
        f"{row.kind:30} {source:>7} {row.p50:8.1f} {row.p99:8.1f} {row.worst:8.1f} {row.ping:8.1f} "
        f"{row.cpu_percent:6.0f} {row.growth_mib:6.0f} {row.peak_mib:6.0f} {row.log_kib:7.1f}"
        f"{' ' if row.good else '!'} {row.ends}{failed}"
    )


@click.command()
@click.option("--engine", type=click.Choice(list(ENGINES)), default="h2", show_default=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Only these.")
@click.option("--connections", multiple=True, type=int, default=(1, 5), show_default=True)
@click.option("--seconds", default=5.0, show_default=True, help="How long each attack lasts.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=ROOT / "build" / "attacks.json",
    show_default=True,
    help="Where the rows go, one JSON object a line; they are added to those that are there.",
)
def main(
    engine: str, kinds: tuple[str, ...], connections: tuple[int, ...], seconds: float, out: Path
) -> None:
    """Attack an engine and print what others felt."""
    print(HEAD, flush=True)
    rows, lost = [], 0
    for order in orders(kinds or tuple(KINDS), connections, seconds):
        try:
            rows.append(measure(engine, order))
        except TrialError as error:
            print(f"{order.kind:30} {order.connections:>7} {error}", flush=True)
            lost += 1
            continue
        print(line(rows[-1]), flush=True)
        _keep(out, engine, rows[-1])
    good = sum(row.good for row in rows)
    print(
        f"\n{good} of {len(rows) + lost} within the goals: a bystander's p99 {GOAL_P99_MS:.0f} ms, "
        f"/ping {GOAL_PING_MS:.0f} ms, an update on the flood's connection {GOAL_SHARED_MS:.0f} ms"
    )


def _keep(out: Path, engine: str, row: Row) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    fields = {name: getattr(row, name) for name in Row.__dataclass_fields__}
    with out.open("a") as file:
        file.write(json.dumps({"engine": engine, **fields}) + "\n")


if __name__ == "__main__":
    main()
