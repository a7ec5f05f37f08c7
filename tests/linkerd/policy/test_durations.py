"""Three ways of writing a duration."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.policy.durations import annotation_duration, gateway_duration, go_duration
from linkerd.policy.errors import PolicyError

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
LONGEST = 315_576_000_000_000  # milliseconds


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("10ms", 10),
        ("3m", 180_000),
        ("0", 0),
        ("00", 0),
        ("0s", 0),
        (" 5s ", 5_000),
        ("\t1h\n", 3_600_000),
        ("2d", 172_800_000),
        ("007s", 7_000),
    ],
)
def test_o39_durations_of_annotations(text: str, milliseconds: int) -> None:
    assert annotation_duration(text, "here") == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    "text",
    [
        *("1.5s", "-1s", "4", "9x", "", "s", "1 s", "1h30m", "10S", "0.0", "+1s", "1ns", "1us"),
        *("99999999999999999999s", "9" * 5_000 + "s", "315576000001s", "\u0663s"),
    ],
)
def test_o39_what_is_no_duration_of_an_annotation(text: str) -> None:
    with pytest.raises(PolicyError, match=r"^here: '"):
        annotation_duration(text, "here")


@given(st.integers(0, 10**20), st.sampled_from(sorted(UNITS)))
def test_o39_every_number_with_a_unit_that_messages_can_hold(number: int, unit: str) -> None:
    milliseconds = number * UNITS[unit]
    if milliseconds <= LONGEST:
        found = annotation_duration(f"{number}{unit}", "here")
        assert found == timedelta(milliseconds=milliseconds)
    else:
        with pytest.raises(PolicyError, match="longer than ten thousand years"):
            annotation_duration(f"{number}{unit}", "here")


@given(
    st.text(alphabet="0123456789mshd .-+xn", max_size=8),
    st.sampled_from([annotation_duration, go_duration, gateway_duration]),
)
def test_o39_any_text_is_a_duration_or_an_error_that_names_the_field(
    text: str, parse: Callable[[str, str], timedelta]
) -> None:
    try:
        found = parse(text, "here")
    except PolicyError as error:
        field = error.field
    else:
        field = "here" if found >= timedelta(0) else "negative"
    assert field == "here"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5_400), ("250ms", 0.25), ("1.5s", 1.5), ("0", 0), ("0s", 0), ("1m0.5s", 60.5)],
)
def test_durations_as_go_writes_them(text: str, seconds: float) -> None:
    assert go_duration(text, "here") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["1d", "-1s", "5", "", "1h 30m", "9999999h"])
def test_what_go_does_not_write(text: str) -> None:
    with pytest.raises(PolicyError, match=r"^here: "):
        go_duration(text, "here")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5_400), ("10s500ms", 10.5), ("99999h", 359_996_400), ("0s", 0), ("1s1s1s1s", 4)],
)
def test_durations_of_the_gateway_api(text: str, seconds: float) -> None:
    assert gateway_duration(text, "here") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["0", "", "1.5s", "100000s", "1s1s1s1s1s", "-1s", "1d", " 1s", "1s\n", "m", "\u0663s"]
)
def test_what_the_gateway_api_does_not_take(text: str) -> None:
    with pytest.raises(PolicyError, match=r"^here: "):
        gateway_duration(text, "here")


@given(
    st.lists(
        st.tuples(st.integers(0, 99_999), st.sampled_from(["h", "m", "s", "ms"])),
        min_size=1,
        max_size=4,
    )
)
def test_the_sum_of_all_terms(terms: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in terms)
    milliseconds = sum(number * UNITS[unit] for number, unit in terms)
    assert gateway_duration(text, "here") == timedelta(milliseconds=milliseconds)
