"""Hosts of routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.policy.errors import PolicyError
from linkerd.policy.hosts import ExactHost, HostSuffix, judge_hosts


def test_a_name_and_a_suffix() -> None:
    assert judge_hosts(("pear.fruit.test", "*.fruit.test"), "here") == (
        ExactHost("pear.fruit.test"),
        HostSuffix(("test", "fruit")),
    )


@pytest.mark.parametrize("host", ["", "*", "*.", "a.*.b", "*.*.b", "Pear", "a..b", "a_b", ".a"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(PolicyError) as raised:
        judge_hosts(("pear", host), "spec.hostnames")
    assert raised.value.field == "spec.hostnames[1]"


@given(st.lists(st.text("abcxyz019", min_size=1, max_size=9), min_size=1, max_size=9))
def test_a_suffix_is_the_name_backwards(labels: list[str]) -> None:
    name = ".".join(labels)
    assert judge_hosts((name, f"*.{name}"), "here") == (
        ExactHost(name),
        HostSuffix(tuple(reversed(labels))),
    )
