"""Label selectors, as Kubernetes defines them."""

import pytest

from linkerd.kube.objects import LabelSelector, Requirement, SelectorError

_LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("operator", "key", "values", "expected"),
    [
        ("In", "app", ("web", "api"), True),
        ("In", "app", ("api",), False),
        ("In", "zone", ("a",), False),
        ("NotIn", "app", ("web",), False),
        ("NotIn", "app", ("api",), True),
        ("NotIn", "zone", ("a",), True),
        ("Exists", "app", (), True),
        ("Exists", "zone", (), False),
        ("DoesNotExist", "app", (), False),
        ("DoesNotExist", "zone", (), True),
    ],
)
def test_expressions(operator: str, key: str, values: tuple[str, ...], expected: bool) -> None:
    selector = LabelSelector(match_expressions=(Requirement(key, operator, values),))
    assert selector.matches(_LABELS) is expected


def test_everything_must_match() -> None:
    selector = LabelSelector({"app": "web"}, (Requirement("zone", "Exists"),))
    assert not selector.matches(_LABELS)
    assert selector.matches({**_LABELS, "zone": "a"})
    assert LabelSelector().matches({})


@pytest.mark.parametrize(("operator", "values"), [("Near", ("a",)), ("In", ()), ("NotIn", ())])
def test_senseless_selectors(operator: str, values: tuple[str, ...]) -> None:
    selector = LabelSelector({"no": "match"}, (Requirement("app", operator, values),))
    with pytest.raises(SelectorError, match="app"):
        selector.matches(_LABELS)
