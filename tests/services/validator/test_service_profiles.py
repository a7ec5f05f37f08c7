"""ServiceProfiles: the webhook judges by the same code as `linkerd profile`, whose own tests have
the rules one by one. V are the catalogue's ids."""

from collections.abc import Mapping
from typing import Any

import pytest

from linkerd.webhook.review import Allowed, Denied
from tests.support.admission.cases import Case
from tests.support.admission.profiles import PROFILE_CASES
from tests.support.admission.reviews import verdict_on


@pytest.mark.parametrize("case", PROFILE_CASES, ids=lambda case: case.ids)
def test_verdicts(case: Case) -> None:
    verdict = verdict_on(case.body)
    if case.refused is None:
        assert verdict == Allowed()
    else:
        assert isinstance(verdict, Denied)
        assert case.refused in verdict.message
        assert verdict.code == 400


@pytest.mark.parametrize("body", [{}, {"spec": 5}, {"metadata": None}, {"spec": {"routes": {}}}])
def test_any_object_gets_a_verdict(body: Mapping[str, Any]) -> None:
    asked = {"group": "linkerd.io", "version": "v1alpha2", "kind": "ServiceProfile"}
    whole = {"apiVersion": "linkerd.io/v1alpha2", "kind": "ServiceProfile", **body}
    assert isinstance(verdict_on(whole, kind=asked), Denied)
