"""An issuer is taken if and only if all who verify its leaves take them: openssl, Go and rustls."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import judge
from tests.support import authorities as make
from tests.support.authorities import (
    Case,
)  # fmt: skip
from tests.support.authority_cases import CASES
from tests.support.verifiers import HOST, go_takes, openssl_takes, rustls_takes


def taken(case: Case) -> bool:
    try:
        judge(case.trust(), HOST, datetime.now(UTC))
    except TrustProblem:
        return False
    return True


@pytest.mark.parametrize("name", CASES)
def test_what_all_take_is_taken(name: str, go: Path | None, tmp_path: Path) -> None:
    case = CASES[name](tmp_path)
    shown = case.presented()
    others = {
        "openssl": openssl_takes(shown, tmp_path),
        "rustls": rustls_takes(shown, tmp_path),
        "Go": go is None or go_takes(go, shown),
    }
    assert taken(case) == all(others.values()), others


@pytest.mark.parametrize("dead_end_first", [True, False])
def test_every_way_is_tried(dead_end_first: bool, go: Path | None, tmp_path: Path) -> None:
    """openssl tries one alone, and does not matter here: no proxy asks it."""
    case = make.two_ways(dead_end_first=dead_end_first)
    shown = case.presented()
    assert taken(case)
    assert rustls_takes(shown, tmp_path)
    assert go is None or go_takes(go, shown)
