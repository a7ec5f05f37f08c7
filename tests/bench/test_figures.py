"""Figures: ratios, the table, the file."""

import json
from pathlib import Path

import pytest

from bench import figures
from bench.figures import KINDS, Figure, Kind


def test_a_ratio_of_one_or_less_means_reached() -> None:
    assert Figure("ready_s", 2.0).ratio == 0.5
    assert Figure("ready_s", 8.0).ratio == 2.0


def test_where_more_is_better_the_ratio_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "KINDS", {"rate": Kind("1/s", "", 100, 50, better="higher")})
    figure = Figure("rate", 200)
    assert (figure.ratio, figure.upstream_ratio) == (0.5, 0.25)


def test_no_goal_no_ratio() -> None:
    assert Figure("fanout_last_ms", 100).ratio is None
    assert Figure("fanout_last_ms", 128).upstream_ratio == 1


def test_there_is_no_ratio_to_a_goal_of_nothing() -> None:
    assert Figure("relist_messages", 3).ratio is None
    (line,) = figures.table([Figure("relist_messages", 3)]).splitlines()[1:]
    assert line.split()[:4] == ["relist_messages", "3", "0", "-"]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="speed"):
        figures.table([Figure("speed", 1)])


def test_the_table_shows_value_goal_and_ratios_in_columns() -> None:
    lines = figures.table([Figure("ready_s", 3.0), Figure("fanout_last_ms", 1234.5)]).splitlines()
    assert lines[0].split()[:3] == ["figure", "value", "goal"]
    assert lines[1].split()[:8] == ["ready_s", "3", "s", "4", "0.75", "2.2", "1.36", "from"]
    assert lines[2].split()[:5] == ["fanout_last_ms", "1,234", "ms", "-", "-"]
    assert len({line.index("x goal") for line in lines[:1]}) == 1


def test_the_file_keeps_figures_that_were_not_taken_now(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    figures.write(path, [Figure("ready_s", 9.0), Figure("ready_rss_mib", 200.0)])
    figures.write(path, [Figure("ready_s", 3.0, {"pods": 10})])
    written = json.loads(path.read_bytes())
    assert written["ready_s"] == {"value": 3.0, "unit": "s", "goal": 4, "at": {"pods": 10}}
    assert written["ready_rss_mib"]["value"] == 200.0


def test_the_names_that_the_project_promised_are_known() -> None:
    promised = {
        "fanout_cpu_us_per_stream": 45,
        "fanout_kib_per_stream": 30,
        "fanout_last_ms": None,
        "first_all_s": 4,
        "ready_s": 4,
        "get1000_first_all_s": 2,
        "get1000_first_cpu_s": 0.7,
        "get1000_change_ms": 60,
        "get1000_kib_per_stream": 30,
        "rolling_messages_per_batch": 1,
        "churn_lag_p99_ms": 500,
        "relist_messages": 0,
    }
    assert {name: KINDS[name].goal for name in promised} == promised
    assert KINDS["ready_rss_mib"].goal == pytest.approx(238.4, abs=0.1)
