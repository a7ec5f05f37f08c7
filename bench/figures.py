"""What a bench reports: named figures, their goals, the table and the JSON file.

A figure's name is kept for good, so that files of different days can be compared. Its goal and
upstream's figure live here, beside each other, and not in the bench that takes it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Kind:
    """What a name stands for; `upstream` is what its Go server took on a box like this one."""

    unit: str
    what: str
    goal: float | None = None
    upstream: float | None = None
    better: Literal["lower", "higher"] = "lower"


def _yardstick(name: str, what: str) -> dict[str, Kind]:
    return {
        f"{name}_cpu_us_per_stream": Kind("us", f"{what}: CPU for one change, a stream"),
        f"{name}_kib_per_stream": Kind("KiB", f"{what}: memory a stream adds"),
        f"{name}_last_ms": Kind("ms", f"{what}: to the last stream"),
        f"{name}_first_all_s": Kind("s", f"{what}: until all have a first message"),
        f"{name}_first_all_cpu_s": Kind("s", f"{what}: CPU for the first messages"),
    }


KINDS: Mapping[str, Kind] = {
    "fanout_cpu_us_per_stream": Kind("us", "server CPU for one change, a stream", 45, 10.6),
    "fanout_kib_per_stream": Kind("KiB", "resident memory an open stream adds", 30, 43),
    "fanout_last_ms": Kind("ms", "from the write to the API server to the last stream", None, 128),
    "fanout_spread_cpu_us_per_stream": Kind("us", "the same, clients on every node and zone", 45),
    "conn5000_cpu_us_per_stream": Kind(
        "us", "5,000 streams on 5,000 connections: server CPU for one change, a stream", 20, 37
    ),
    "conn5000_last_ms": Kind(
        "ms", "the same: from the write to the API server to the last stream", 128, 164
    ),
    "conn5000_kib": Kind("KiB", "the same: memory a stream and its connection add", 20, 97),
    "streams100k_rss_mib": Kind(
        "MiB", "100,000 streams on 200 connections: resident memory in all", 400
    ),
    "streams100k_last_ms": Kind("ms", "the same: from the write to the last stream", 700),
    "first_all_s": Kind("s", "until every stream has its first answer", 4, 4.4),
    "first_all_cpu_s": Kind("s", "server CPU for those first answers"),
    "first_answer_100_ms": Kind("ms", "one new stream's first answer, 100 endpoints"),
    "first_answer_1000_ms": Kind("ms", "one new stream's first answer, 1,000 endpoints"),
    "ready_s": Kind("s", "from the start of the process to ready", 4, 2.2),
    "ready_rss_mib": Kind("MiB", "resident memory once ready", 250 * 1e6 / 2**20, 517e6 / 2**20),
    "ready_cpu_s": Kind("s", "server CPU from start to ready"),
    "change_fixed_ms": Kind("ms", "fit: server CPU for a change that nobody hears"),
    "change_us_per_listener": Kind("us", "fit: server CPU a listener adds", 45),
    "change_us_per_changed": Kind("us", "fit: server CPU a further changed endpoint adds"),
    "change_ns_per_endpoint_listener": Kind(
        "ns", "fit: cost that grows with endpoints x listeners"
    ),
    "get1000_first_all_s": Kind(
        "s", "1,000 streams on 1,000 endpoints: until all have decoded their answer", 2, 2.8
    ),
    "get1000_first_cpu_s": Kind("s", "the same: server CPU for those answers", 0.7, 3.5),
    "get1000_change_ms": Kind("ms", "the same: one change, from the write to the last", 60, 41),
    "get1000_kib_per_stream": Kind("KiB", "the same: memory a stream adds", 30, 89),
    "hostnames_change_ms": Kind(
        "ms", "20,000 streams for hostnames of 1,000 endpoints: one change holds up the loop", 2
    ),
    "huge_service_stall_ms": Kind(
        "ms", "a service of 100,000 endpoints: longest wait of others, whatever happens to it", 50
    ),
    "rolling_messages_per_batch": Kind(
        "", "rolling restart: messages of the listener with most, for a batch that arrived", 1
    ),
    "rolling_cpu_us_per_message": Kind("us", "the same: server CPU, a message to a listener"),
    "rolling_fit_us_per_message": Kind("us", "fit: server CPU that a listener of a batch adds"),
    "rolling_fit_ms_per_batch": Kind("ms", "fit: server CPU that a batch of pods adds"),
    "rolling_fit_error": Kind("", "fit: mean relative error; 0 is linear"),
    "churn_lag_p99_ms": Kind(
        "ms", "500 changes a second: from before a write to a follower, slowest in 100", 500
    ),
    "churn_growth_mib": Kind("MiB", "the same: resident memory added after warming up"),
    "churn_cpu_percent": Kind("%", "the same: server CPU, of one core"),
    "churn_messages_per_s": Kind("1/s", "the same: messages to all listeners"),
    "scale_ready_s": Kind(
        "s", "10,000 services, 150,000 pods: CPU from an API server's bytes to a full index"
    ),
    "scale_bytes_per_pod": Kind(
        "B", "the same: resident memory a pod, with all that belongs to it", 1500
    ),
    "relist_messages": Kind("", "everything is listed again, nothing has changed: messages", 0),
    "relist_cpu_s": Kind("s", "the same: server CPU for it"),
    "certify_per_s": Kind(
        "1/s", "certificates, each with a TokenReview, 32 in flight", 500, 99, "higher"
    ),
    "certify_p50_ms": Kind("ms", "one certificate, median", None, 312),
    "certify_p99_ms": Kind("ms", "one certificate, the slowest in 100", 200),
    "certify_cpu_us": Kind("us", "CPU of the service for one certificate"),
    "certify_rss_mib": Kind("MiB", "resident memory after them"),
    "certify_growth_mib": Kind("MiB", "resident memory that they added"),
    "certify_rotation_bad": Kind(
        "", "failures and torn answers while the issuer changes; none is allowed"
    ),
    "certify_away_p99_ms": Kind("ms", "a refusal while the API server is away", 200),
    "certify_away_growth_mib": Kind("MiB", "resident memory that such refusals add"),
    "certify_recovery_s": Kind("s", "from the API server's return to the first certificate", 2),
    "certify_siege_rss_mib": Kind("MiB", "resident memory at most, while besieged", 200),
    "certify_siege_unanswered": Kind("", "good calls never answered meanwhile", 0),
    "certify_siege_p99_ms": Kind("ms", "a good call meanwhile, the slowest in 100"),
    "policy_rss_mib": Kind("MiB", "10,000 pods, 1,000 services: resident memory", 200, 793),
    "policy_ready_s": Kind("s", "the same: from the start of the process to ready", 2.5),
    "policy_first_all_s": Kind(
        "s", "10,000 streams for ports of 10,000 pods: until all have their first answer", 1.0, 0.7
    ),
    "policy_first_cpu_s": Kind("s", "the same: server CPU for those answers", None, 0.28),
    "policy_kib_per_stream": Kind("KiB", "the same: memory a stream adds", 1.4, 1.4),
    "policy_change_all_ms": Kind(
        "ms", "a Server that selects all: from its write to the last stream", 150, 179
    ),
    "policy_change_cpu_us_per_stream": Kind("us", "the same: server CPU, a stream", 8, 13.5),
    "policy_outbound_first_all_s": Kind(
        "s", "10,000 streams on 1,000 services: until all have their first policy", 1.5
    ),
    "policy_outbound_first_cpu_s": Kind("s", "the same: server CPU for those answers"),
    "policy_outbound_kib_per_stream": Kind("KiB", "the same: memory a stream adds"),
    "policy_outbound_change_us": Kind(
        "us", "the same: server CPU for a change of one route, which its followers hear alone"
    ),
    **_yardstick("peer", "a grpc-go server with constant bytes"),
    **_yardstick("engine", "our engine with constant bytes"),
    **_yardstick("grpcio", "our engine on gRPC core with constant bytes"),
}
"""Every name that a bench may report."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value of a known name. `at` tells under what load it was taken."""

    name: str
    value: float
    at: Mapping[str, object] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Unit, goal and upstream's figure; KeyError for a name that is not in `KINDS`."""
        return KINDS[self.name]

    @property
    def ratio(self) -> float | None:
        """Value over goal, turned so that 1 or less means reached; None without a goal."""
        return _ratio(self.value, self.kind.goal, self.kind.better)

    @property
    def upstream_ratio(self) -> float | None:
        """Value over upstream's, turned so that less than 1 means better than upstream."""
        return _ratio(self.value, self.kind.upstream, self.kind.better)


def _ratio(value: float, other: float | None, better: str) -> float | None:
    if not other or (value == 0 and better == "higher"):
        return None  # there is no ratio to nothing
    return other / value if better == "higher" else value / other


def table(figures: Iterable[Figure]) -> str:
    """The figures as text, one a line: value, goal, upstream's figure and both ratios."""
    head = ("figure", "value", "goal", "x goal", "upstream", "x upstream", "")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    kind = figure.kind
    return (
        figure.name,
        f"{_number(figure.value)} {kind.unit}",
        _number(kind.goal),
        _times(figure.ratio),
        _number(kind.upstream),
        _times(figure.upstream_ratio),
        kind.what,
    )


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0])]
    cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
    return "  ".join([*cells, row[-1]]).rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _times(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def write(path: Path, figures: Iterable[Figure]) -> None:
    """Merge the figures into the file: names measured now replace their old values."""
    known: dict[str, object] = {}
    if path.exists():
        known = json.loads(path.read_bytes())
    for figure in figures:
        kind = figure.kind
        known[figure.name] = {
            "value": figure.value,
            "unit": kind.unit,
            "goal": kind.goal,
            "at": dict(figure.at),
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(known, indent=2, sort_keys=True) + "\n"
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)
