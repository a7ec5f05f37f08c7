"""Verdicts on routes: A and P are the catalogue's ids."""

import pytest

from linkerd.webhook.review import Allowed, Denied
from tests.support.admission.cases import Case
from tests.support.admission.reviews import verdict_on
from tests.support.admission.routes import ROUTE_CASES


@pytest.mark.parametrize("case", ROUTE_CASES, ids=lambda case: case.ids)
def test_verdicts(case: Case) -> None:
    verdict = verdict_on(case.body)
    if case.refused is not None:
        assert isinstance(verdict, Denied)
        assert case.refused in verdict.message
    elif case.warns is None:
        assert verdict == Allowed()
    else:
        assert isinstance(verdict, Allowed)
        (warning,) = verdict.warnings
        assert warning.startswith(case.warns)
