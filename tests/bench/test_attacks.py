"""The bench of attacks measures what it says, in small."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import attacks
from bench.attacks import Row, line, orders


def test_an_attack_is_measured_from_two_sides(tmp_path: Path) -> None:
    arguments = ["--kind", "no-message", "--connections", "1", "--seconds", "0.3"]
    done = CliRunner().invoke(attacks.main, [*arguments, "--out", str(tmp_path / "rows")])
    assert done.exit_code == 0, done.output
    head, alone, shared, *_ = done.output.splitlines()
    assert head.split()[0] == "kind"
    assert alone.split()[:2] == ["no-message", "1"]
    assert shared.split()[:2] == ["no-message", "shared"]
    assert len((tmp_path / "rows").read_text().splitlines()) == 2


def test_bystanders_share_what_proxies_carry() -> None:
    made = orders(["ping", "valid"], [5], 1)
    assert [(each.kind, each.connections, each.shared) for each in made] == [
        ("ping", 5, False),
        ("valid", 5, False),
        ("valid", 1, True),
    ]


GOOD = Row("ping", 1, False, 1.0, 50.0, 400.0, 0, 100.0, 0, 10.0, 1.0, 1.0, 0.0, "1 open")


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"p99": 51.0}, False),
        ({"ping": 101.0}, False),
        ({"failed": 1}, False),
        ({"pings_failed": 1}, False),
        ({"shared": True}, False),
        ({"shared": True, "worst": 250.0, "failed": 1}, True),
    ],
)
def test_goals(changes: dict[str, object], good: bool) -> None:
    row = replace(GOOD, **changes)  # type: ignore[arg-type]  # of the fields' types
    assert row.good is good
    assert ("!" in line(row)) is not good
