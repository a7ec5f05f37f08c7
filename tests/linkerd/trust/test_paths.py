"""The walk from an issuer to an anchor, through any web of authorities."""

import pathlib
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkerd.trust.errors import TrustProblem
from linkerd.trust.paths import Path, Trust, find_path
from tests.support.authorities import DAY, NOW, PLACES, Case, Signer, key_usage
from tests.support.certificates import make_ca, p256
from tests.support.verifiers import HOST, go_takes

KEYS = [p256() for _ in range(3)]
NAMES = ["a", "b", "c"]


@dataclass(frozen=True)
class Drawn:
    """An authority: `parent` counts back from it, and one that goes too far is its own."""

    name: str
    key: int
    parent: int
    ca: bool
    path_length: int | None
    expired: bool
    signs: bool


AUTHORITIES = st.lists(
    st.builds(
        Drawn,
        name=st.sampled_from(NAMES),
        key=st.integers(0, len(KEYS) - 1),
        parent=st.integers(1, 3),
        # Mostly good, or hardly a way would be open.
        ca=st.sampled_from([True] * 7 + [False]),
        path_length=st.sampled_from([None] * 6 + [0, 1, 2]),
        expired=st.sampled_from([False] * 7 + [True]),
        signs=st.sampled_from([True] * 7 + [False]),
    ),
    min_size=1,
    max_size=6,
)


def made(drawn: list[Drawn]) -> list[Signer]:
    found: list[Signer] = []
    for number, each in enumerate(drawn):
        key = KEYS[each.key]
        parent = found[number - each.parent] if number >= each.parent else None
        certificate = make_ca(
            each.name, key, parent, ca=each.ca, path_length=each.path_length,
            start=NOW - 9 * DAY, lifetime=DAY if each.expired else 99 * DAY,
            extensions=key_usage(sign=each.signs), identifiers=False,
        )  # fmt: skip
        found.append((certificate, key))
    return found


@settings(max_examples=60, deadline=None)
@given(drawn=AUTHORITIES, anchors=st.sets(st.integers(0, 5), min_size=1), data=st.data())
def test_what_is_taken_go_takes_too(
    go: pathlib.Path | None, drawn: list[Drawn], anchors: set[int], data: st.DataObject
) -> None:
    """And the other way round, unless another certificate could be taken for the issuer's."""
    if go is None:
        pytest.skip("there is no Go")
    authorities = made(drawn)
    issuer = authorities[-1]
    rest = data.draw(st.permutations([certificate for certificate, _ in authorities[:-1]]))
    roots = [authorities[number % len(authorities)][0] for number in sorted(anchors)]
    case = Case(issuer, roots, rest)
    path, taken = way(case), go_takes(go, case.presented())
    if path is not None:
        assert taken
        assert path.certificates[0] == issuer[0]
        assert path.certificates[-1] in roots
        assert path.window.holds(datetime.now(UTC))
    elif taken:
        assert (drawn[-1].name, drawn[-1].key) in [(each.name, each.key) for each in drawn[:-1]]


def way(case: Case) -> Path | None:
    try:
        return find_path(case.trust(), HOST, datetime.now(UTC))
    except TrustProblem:
        return None


def test_many_ways_that_lead_nowhere_end() -> None:
    """Authorities of one name and key vouch for each other in more ways than can be walked."""
    keys = [p256() for _ in range(6)]
    web = [
        make_ca(str(child), keys[child], (make_ca(str(parent), keys[parent]), keys[parent]))
        for child in range(6)
        for parent in range(6)
        for _ in range(3)
    ]
    stranger = make_ca("stranger", p256())
    trust = Trust(web[0], tuple(web[1:]), (stranger,), PLACES)
    with pytest.raises(TrustProblem):
        find_path(trust, HOST, datetime.now(UTC))
