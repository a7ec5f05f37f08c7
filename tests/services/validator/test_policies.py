"""Verdicts on objects of policy.linkerd.io: A and P are the catalogue's ids."""

import pytest

from linkerd.webhook.review import Allowed, Denied
from tests.support.admission.cases import Case
from tests.support.admission.policies import POLICY_CASES
from tests.support.admission.reviews import verdict_on


@pytest.mark.parametrize("case", POLICY_CASES, ids=lambda case: case.ids)
def test_verdicts(case: Case) -> None:
    verdict = verdict_on(case.body)
    if case.refused is None:
        assert verdict == Allowed()
        return
    assert isinstance(verdict, Denied)
    assert verdict.message.startswith(f'{case.body["kind"]} "pear": ')
    assert case.refused in verdict.message
    assert verdict.code == 400
