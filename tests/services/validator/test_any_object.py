"""Whatever an object says, the validator has a verdict on it, and says why it is refused."""

from copy import deepcopy
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from linkerd.webhook.review import Denied
from tests.support.admission.policies import POLICY_CASES
from tests.support.admission.profiles import PROFILE_CASES
from tests.support.admission.reviews import verdict_on
from tests.support.admission.routes import ROUTE_CASES
from tests.support.spoiling import spoil

BODIES = [case.body for case in (*POLICY_CASES, *ROUTE_CASES, *PROFILE_CASES)]
LONGEST = 2_000


@settings(max_examples=200)
@given(st.sampled_from(range(len(BODIES))), st.integers(0, 2**32))
def test_spoiled_objects_have_a_verdict(number: int, seed: int) -> None:
    original = BODIES[number]
    spoiled = spoil(deepcopy(dict(original)), Random(seed))
    group, _, version = original["apiVersion"].rpartition("/")
    asked = {"group": group, "version": version, "kind": original["kind"]}
    verdict = verdict_on(
        {"apiVersion": original["apiVersion"], "kind": original["kind"], "metadata": {}},
        kind=asked, name="pear", namespace="orchard", object=spoiled,
    )  # fmt: skip
    if isinstance(verdict, Denied):
        assert 0 < len(verdict.message) < LONGEST
