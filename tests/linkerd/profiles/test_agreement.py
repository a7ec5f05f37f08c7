"""What the validator lets through, the destination service can use.

Both read the same generated profiles, each with its own shapes. Where they differ, and why:

- `status: {}` passes the validator, as it does upstream's, and says nothing that a proxy takes;
- weights below zero are quantities, which is all that is asked of them.

In both cases the service ignores the profile and says so.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.decode import ObjectDecoder
from linkerd.kube.objects import ServiceProfile
from linkerd.profiles.conditions import MAX_NESTING
from linkerd.profiles.errors import InvalidProfile
from linkerd.profiles.validation import validate
from services.destination.index.translation import ProfileError, translate

STATUSES = st.sampled_from([0, 1, 99, 100, 200, 404, 500, 599, 600, -1])
RANGES = st.fixed_dictionaries({}, optional={"min": STATUSES, "max": STATUSES})
METHODS = st.sampled_from(["GET", "post", "", "PURGE", "G T"])
REGEXES = st.sampled_from(["/x", "", "([", "/{id}", "^/a$"])


def matches(leaves: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Conditions of any shape, with a null or a wrong type here and there."""

    def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        many = st.lists(inner | st.none(), max_size=2)
        optional = leaves | {"all": many, "any": many, "not": inner}
        return st.fixed_dictionaries({}, optional=optional)

    return st.recursive(st.fixed_dictionaries({}, optional=leaves), grown, max_leaves=4)


DURATIONS = st.sampled_from(["", "1s", "10ms", "-5s", "10", "soon", "1ns", "90s"])
CLASSES = st.fixed_dictionaries(
    {}, optional={"condition": matches({"status": RANGES}), "isFailure": st.booleans()}
)
ROUTES = st.fixed_dictionaries(
    {"name": st.sampled_from(["list", "list", ""])},
    optional={
        "condition": matches({"method": METHODS, "pathRegex": REGEXES}),
        "timeout": DURATIONS,
        "isRetryable": st.booleans(),
        "responseClasses": st.lists(CLASSES | st.none(), max_size=2),
        "foo": st.none() | st.integers(),
    },
)
BUDGETS = st.fixed_dictionaries(
    {},
    optional={
        "retryRatio": st.sampled_from([0.2, 0, -0.2, 1e6, "x"]),
        "minRetriesPerSecond": st.sampled_from([0, 10, -5, 2**31, 2**32 - 1, 2**32]),
        "ttl": DURATIONS,
    },
)
OVERRIDES = st.fixed_dictionaries(
    {"authority": st.sampled_from(["a.b.svc.mesh.test", "", "x:80"])},
    optional={"weight": st.sampled_from(["500m", 1, 0.5, "2k", "lots", "9E", "0", "-1"])},
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "routes": st.lists(ROUTES, max_size=2),
        "retryBudget": BUDGETS | st.none(),
        "dstOverrides": st.lists(OVERRIDES, max_size=3),
        "opaquePorts": st.sampled_from([["80"], {"80": {}}, []]),
    },
)


def profile(spec: Any) -> dict[str, Any]:
    metadata = {"name": "ledger.fin.svc.mesh.test", "namespace": "fin"}
    return {"metadata": metadata, "spec": spec}


def refusal(value: Any) -> str | None:
    """What the destination service says against a profile as the API server would send it, or
    against a route of it."""
    found = ObjectDecoder(ServiceProfile).decode(json.dumps(value).encode())
    if not isinstance(found, ServiceProfile):
        return f"malformed: {found.problem}"
    told: dict[str, str] = {}
    try:
        translate(found, told.__setitem__)
    except ProfileError as error:
        return str(error)
    return told.get("spec.routes")


def is_known_difference(said: str) -> bool:
    return said.endswith((": 0 to 0 is no range of HTTP statuses", " is negative"))


@given(SPECS)
def test_what_is_accepted_is_translated(spec: Any) -> None:
    value = profile(spec)
    try:
        validate(value)
    except InvalidProfile:
        return
    said = refusal(value)
    assert said is None or is_known_difference(said)


@given(SPECS)
def test_what_is_refused_by_the_service_is_refused_before(spec: Any) -> None:
    """The other way round, so that accepting nothing would not pass."""
    said = refusal(profile(spec))
    if said is None or is_known_difference(said):
        return
    with pytest.raises(InvalidProfile):
        validate(profile(spec))


@pytest.mark.parametrize(
    "spec",
    [
        {"routes": [{"name": "x", "condition": {"method": "GET"}, "timeout": "1ns"}]},
        {"retryBudget": {"retryRatio": 1e6, "minRetriesPerSecond": 1, "ttl": "1h"}},
        {"dstOverrides": [{"authority": "a.b", "weight": "9E"}] * 3},
    ],
)
def test_accepted_by_both(spec: Any) -> None:
    validate(profile(spec))
    assert refusal(profile(spec)) is None


@pytest.mark.parametrize(
    "spec",
    [
        {"dstOverrides": [{"authority": "a.b", "weight": "-1"}]},
        {
            "routes": [
                {
                    "name": "x",
                    "condition": {"method": "GET"},
                    "responseClasses": [{"condition": {"status": {}}}],
                }
            ]
        },
    ],
)
def test_the_known_differences(spec: Any) -> None:
    validate(profile(spec))
    said = refusal(profile(spec))
    assert said is not None
    assert is_known_difference(said)


@pytest.mark.parametrize(("levels", "good"), [(MAX_NESTING, True), (MAX_NESTING + 1, False)])
def test_both_stop_at_the_same_depth(levels: int, good: bool) -> None:
    condition: dict[str, Any] = {"method": "GET"}
    for _ in range(levels):
        condition = {"any": [condition]}
    value = profile({"routes": [{"name": "x", "condition": condition}]})
    assert (refusal(value) is None) == good
    if good:
        validate(value)
    else:
        with pytest.raises(InvalidProfile, match="more than 30 deep"):
            validate(value)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "name", "spec", "routes", "condition", "all", "not", "status", "min",
                 "retryBudget", "ttl", "dstOverrides", "weight", "opaquePorts", "timeout"]
            ),
            inner,
        )
    ),
)  # fmt: skip


@given(JUNK, JUNK)
def test_the_validator_raises_nothing_but_its_own_error(whole: Any, spec: Any) -> None:
    for value in (whole, profile(spec), profile({"routes": [spec]})):
        try:
            validate(value)
        except InvalidProfile as error:
            assert str(error)  # noqa: PT017  # whatever it says, it says something
