"""What is judged by what, and what becomes of requests that are about nothing of ours."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from linkerd.webhook.review import Allowed, Denied
from tests.support.admission.cases import GATEWAY, POLICY, gateway, policy, server
from tests.support.admission.reviews import verdict_on

BAD = server(accessPolicy="maybe")


def denial(body: dict[str, Any], **request: Any) -> str:
    verdict = verdict_on(body, **request)
    assert isinstance(verdict, Denied)
    return verdict.message


@pytest.mark.parametrize(
    ("group", "version", "kind"),
    [
        (POLICY, "v1", "Widget"),
        ("", "v1", "Server"),
        ("apps", "v1", "HTTPRoute"),
        (GATEWAY, "v1", "Gateway"),
        ("linkerd.io", "v1alpha1", "Server"),
    ],
)
def test_a28_p28_other_kinds_are_refused(group: str, version: str, kind: str) -> None:
    """Really: the answer bears the request's uid, so failurePolicy has no say."""
    asked = {"group": group, "version": version, "kind": kind}
    message = denial(server(), kind=asked)
    assert message == f"unsupported resource type: {group}.{version}.{kind}"


@pytest.mark.parametrize("kind", ["server", "SERVER", "sErVeR"])
def test_p30_case_of_group_and_kind_does_not_matter(kind: str) -> None:
    asked = {"group": POLICY.upper(), "version": "v9", "kind": kind}
    assert "spec.accessPolicy" in denial(BAD, kind=asked)
    assert verdict_on(server(), kind=asked) == Allowed()


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
def test_creations_and_updates_are_judged(operation: str) -> None:
    assert "spec.accessPolicy" in denial(BAD, operation=operation)


@pytest.mark.parametrize("operation", ["DELETE", "CONNECT"])
def test_nothing_else_is(operation: str) -> None:
    """A configuration of somebody's own may send them."""
    assert verdict_on(BAD, operation=operation, object=None) == Allowed()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (policy("Server", "v1beta3", {"podSelector": {}}), "missing required field `port`"),
        (policy("Server", "v1beta3", None), "missing required field `spec`"),
        (policy("Server", "v1beta3", {"port": True, "podSelector": {}}), "`$.spec.port`"),
        (policy("AuthorizationPolicy", "v1alpha1", {}), "missing required field `targetRef`"),
        (policy("EgressNetwork", "v1alpha1", {"trafficPolicy": 3}), "`$.spec.trafficPolicy`"),
        (policy("MeshTLSAuthentication", "v1alpha1", {"identities": [1]}), "`$.spec.identities["),
    ],
)  # fmt: skip
def test_what_has_not_its_kind_s_form_is_refused(body: dict[str, Any], says: str) -> None:
    message = denial(body)
    assert message.startswith(f'{body["kind"]} "pear" has not the form of its kind: ')
    assert says in message


def test_an_object_that_is_not_there_is_refused() -> None:
    assert denial(server(), object=None) == (
        'Server "pear" has not the form of its kind: object: there is none'
    )


def test_unknown_fields_are_the_schema_s_to_judge() -> None:
    body = server(colour="red")
    assert verdict_on({**body, "more": {"deep": [None]}}) == Allowed()


def test_a_name_that_the_api_server_makes_is_told_by_its_beginning() -> None:
    body = {**BAD, "metadata": {"name": "web-x7", "namespace": "orchard"}}
    assert denial(body, name="").startswith('Server "web-x7": ')


def test_a27_p22_gateway_kinds_that_cannot_be_read_are_another_s() -> None:
    body = gateway("HTTPRoute", "v1", {"parentRefs": [{"kind": "Service"}], "rules": 5})
    with capture_logs() as log:
        assert verdict_on(body) == Allowed()
    (said,) = log
    assert said["event"].startswith("admitted a route that cannot be read")
    assert said["name"] == "pear"


def test_p23_linkerd_s_route_that_cannot_be_read_is_refused() -> None:
    message = denial(policy("HTTPRoute", "v1beta3", {"parentRefs": [], "rules": 5}))
    assert "`$.spec.rules`" in message
