"""Verdicts on ServiceProfiles: catalogue cases T180 to T190, and V1 to V22 of the webhook's."""

from typing import Any

import pytest
import yaml

from linkerd.profiles.conditions import MAX_NESTING
from linkerd.profiles.errors import InvalidProfile
from linkerd.profiles.validation import validate, validate_document

NAME = "ledger.fin.svc.mesh.test"
GET = {"method": "GET"}
BUDGET = {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"}


def profile(spec: Any = None, name: str = NAME, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": name, "namespace": "fin"},
        "spec": {} if spec is None else spec,
    } | more


def route(**fields: Any) -> dict[str, Any]:
    """A profile with one valid route and these fields; None takes one away."""
    whole = {"name": "list", "condition": GET} | fields
    return profile({"routes": [{k: v for k, v in whole.items() if v is not None}]})


def request(condition: Any) -> dict[str, Any]:
    return route(condition=condition)


def response(condition: Any) -> dict[str, Any]:
    return route(responseClasses=[{"condition": condition}])


def budget(**fields: Any) -> dict[str, Any]:
    whole = BUDGET | fields
    return profile({"retryBudget": {k: v for k, v in whole.items() if v is not None}})


def override(weight: Any) -> dict[str, Any]:
    return profile({"dstOverrides": [{"authority": "a.b", "weight": weight}]})


def nested(levels: int, innermost: dict[str, Any]) -> dict[str, Any]:
    for _ in range(levels):
        innermost = {"not": innermost}
    return innermost


def verdict(value: Any) -> str:
    """What is wrong; the YAML form of the same must have the same verdict."""
    with pytest.raises(InvalidProfile) as refused:
        validate(value)
    with pytest.raises(InvalidProfile) as refused_text:
        validate_document(yaml.safe_dump(value).encode())
    assert str(refused.value) == str(refused_text.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(route(), id="T180 V1 minimal"),
        pytest.param(profile(), id="V2 empty spec"),
        pytest.param(
            profile({"routes": None, "retryBudget": None}), id="a field that is null is absent"
        ),
        pytest.param(
            request({"any": [{"all": [GET, {"pathRegex": "/x"}]}, {"not": {"method": "PUT"}}]}),
            id="T180 nested request",
        ),
        pytest.param(
            response({"all": [{"status": {"min": 500}}, {"not": {"any": [{"status": {}}]}}]}),
            id="T180 nested response",
        ),
        pytest.param(route(timeout="1ns"), id="T180 1ns"),
        pytest.param(route(timeout="10ms"), id="V8 10ms"),
        pytest.param(route(timeout="-5s"), id="V8 negative"),
        pytest.param(route(timeout=""), id="no timeout"),
        pytest.param(request({"all": []}), id="V11 empty all"),
        pytest.param(request({"any": []}), id="empty any"),
        pytest.param(response({"status": {"min": 500}}), id="V16 min only"),
        pytest.param(response({"status": {"max": 599}}), id="max only"),
        pytest.param(response({"status": {}}), id="V16 empty status"),
        pytest.param(budget(), id="budget"),
        pytest.param(budget(retryRatio=5, ttl="-1s"), id="numbers that proxies refuse"),
        pytest.param(budget(minRetriesPerSecond=2**32 - 1), id="uint32"),
        pytest.param(override("500m"), id="V21 milli"),
        pytest.param(override(3), id="V21 number"),
        pytest.param(profile({"opaquePorts": ["80", "443"]}), id="opaque ports as the schema has"),
        pytest.param(profile({"opaquePorts": {"80": {}}}), id="opaque ports as a mapping"),
        pytest.param(profile(metadata={"name": NAME, "news": [1]}), id="metadata is free"),
        pytest.param(request(nested(MAX_NESTING, GET)), id="as deep as it may be"),
    ],
)
def test_accepted(value: Any) -> None:
    validate(value)
    validate_document(yaml.safe_dump(value).encode())


UNKNOWN = "unknown field `foo`"
WANTS_REQUEST = "A request match must have a field set"
WANTS_RESPONSE = "A response match must have a field set"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(profile(name="^x^"), 'ServiceProfile "^x^" has an invalid name', id="T181"),
        pytest.param(profile(name="Cart_Svc"), "has an invalid name", id="V5"),
        pytest.param(profile(metadata={}), 'ServiceProfile "" has an invalid name', id="no name"),
        pytest.param(profile({"foo": 1}), UNKNOWN, id="T182 V3 spec"),
        pytest.param(route(foo=1), UNKNOWN, id="T182 V3 route"),
        pytest.param(request(GET | {"foo": 1}), UNKNOWN, id="T182 request"),
        pytest.param(request({"all": [GET | {"foo": 1}]}), UNKNOWN, id="T182 inner request"),
        pytest.param(response({"status": {}, "foo": 1}), UNKNOWN, id="T182 response"),
        pytest.param(response({"status": {"foo": 1}}), UNKNOWN, id="V3 range"),
        pytest.param(profile(foo=1), UNKNOWN, id="unknown at the top"),
        pytest.param(profile(status={}), "unknown field `status`", id="status"),
        pytest.param(route(condition=None), "has a route with no condition", id="T183 V9 none"),
        pytest.param(request({}), WANTS_REQUEST, id="T183 V10 empty"),
        pytest.param(request({"method": ""}), WANTS_REQUEST, id="T183 empty method"),
        pytest.param(request({"all": [GET, {"not": {}}]}), WANTS_REQUEST, id="V13"),
        pytest.param(route(name=None), "has a route with no name", id="T184 V7"),
        pytest.param(route(name=""), "has a route with no name", id="T184 empty"),
        pytest.param(
            route(responseClasses=[{"isFailure": True}]),
            "has a response class with no condition",
            id="T185 none",
        ),
        pytest.param(response({}), WANTS_RESPONSE, id="T185 empty"),
        pytest.param(
            response({"all": [{"status": {"max": 600}}]}), "Range maximum must be", id="T186 V15"
        ),
        pytest.param(
            response({"all": [{"not": {"status": {"min": 1}}}]}),
            "Range minimum must be",
            id="T186 V15 min",
        ),
        pytest.param(
            response({"not": {"status": {"min": 500, "max": 400}}}),
            "Range maximum cannot be smaller than minimum",
            id="T186 V15 order",
        ),
        pytest.param(response({"status": {"min": 99}}), "Range minimum must be", id="V15 99"),
        pytest.param(response({"status": {"min": 600}}), "Range minimum must be", id="V15 600"),
        pytest.param(response({"status": {"max": 99}}), "Range maximum must be", id="V15 max 99"),
        pytest.param(response({"status": {"min": -1}}), "Range minimum must be", id="negative"),
        pytest.param(
            response({"status": {"min": True}}), "Expected `int`, got `bool`", id="T187 boolean"
        ),
        pytest.param(budget(minRetriesPerSecond=-5), "Expected `int` >= 0", id="T187 negative"),
        pytest.param(budget(minRetriesPerSecond=2**32), "Expected `int` <= 4294967295", id="T187"),
        pytest.param(route(isRetryable="yes"), "Expected `bool`, got `str`", id="V4"),
        pytest.param(budget(ttl=None), "missing TTL", id="T188 V17 none"),
        pytest.param(budget(ttl="soon"), "invalid TTL", id="T188 V19 soon"),
        pytest.param(budget(retryRatio=-0.2), "must be non-negative: -0.200000", id="T188 ratio"),
        pytest.param(budget(retryRatio=-0.2, ttl=None), "must be non-negative", id="V18 order"),
        pytest.param(profile({"routes": [None]}), "has a null route", id="T189 V6 route"),
        pytest.param(route(responseClasses=[None]), "has a null response class", id="T189 class"),
        pytest.param(request({"all": [None]}), 'null condition "all"', id="T189 request all"),
        pytest.param(request({"any": [None]}), 'null condition "any"', id="T189 V12 request any"),
        pytest.param(response({"all": [None]}), 'null condition "all"', id="T189 response all"),
        pytest.param(response({"any": [None]}), 'null condition "any"', id="T189 response any"),
        pytest.param(request({"pathRegex": "(["}), "no regular expression", id="V14, unlike it"),
        pytest.param(request({"not": {"pathRegex": "/{id}"}}), r"write \{", id="inner regex"),
        pytest.param(request({"all": [{"method": "G T"}]}), "is no HTTP method", id="method"),
        pytest.param(response({"all": []}), "'all' has no members", id="response, empty all"),
        pytest.param(response({"not": {"any": []}}), "'any' has no members", id="and empty any"),
        pytest.param(
            profile({"routes": [{"name": "a", "condition": {"pathRegex": r"\w{60}"}}] * 9}),
            "its regular expressions take more than 32 MiB together",
            id="large regexes",
        ),
        pytest.param(route(timeout="one-second"), "invalid timeout", id="T190"),
        pytest.param(route(timeout="10"), "invalid timeout", id="V8"),
        pytest.param(profile({"opaquePorts": {"http": {}}}), "opaque port", id="V20"),
        pytest.param(profile({"opaquePorts": ["http"]}), "opaque port", id="V20 list"),
        pytest.param(override("lots"), "invalid weight", id="V21"),
        pytest.param(override(True), "got `bool`", id="V21 boolean"),
        pytest.param(profile({"dstOverrides": [None]}), "null destination", id="null override"),
        pytest.param(request(nested(MAX_NESTING + 1, GET)), "more than 30 deep", id="too deep"),
        pytest.param(budget(retryRatio=float("nan")), "no number", id="not a number"),
        pytest.param([], "Expected `object`, got `array`", id="a list"),
        pytest.param(None, "Expected `object`, got `null`", id="nothing"),
    ],
)
def test_refused(value: Any, said: str) -> None:
    assert said in verdict(value)


def test_absurdly_deep() -> None:
    with pytest.raises(InvalidProfile, match="100 levels"):
        validate(request(nested(2000, GET)))
    text = f"spec: {'{not: ' * 3000}{'}' * 3000}"
    with pytest.raises(InvalidProfile, match="failed to validate"):
        validate_document(text.encode())


def test_errors_of_a_kind_are_told_apart() -> None:
    """T183, T185, T186, T188 and T189 ask for distinct errors."""
    groups = [
        [route(condition=None), request({})],
        [route(responseClasses=[{}]), response({})],
        [response({"status": s}) for s in ({"max": 600}, {"min": 1}, {"min": 500, "max": 400})],
        [budget(ttl=None), budget(ttl="soon"), budget(retryRatio=-0.2)],
        [
            profile({"routes": [None]}), route(responseClasses=[None]), request({"all": [None]}),
            request({"any": [None]}), response({"all": [None]}), response({"any": [None]}),
        ],
    ]  # fmt: skip
    for group in groups:
        assert len({verdict(value) for value in group}) == len(group)


def test_only_the_first_error_is_told_and_it_says_where() -> None:
    """V22."""
    routes = [
        {"name": "a", "condition": GET},
        {"name": "b", "condition": {}},
        {"condition": GET},
    ]
    assert verdict(profile({"routes": routes})) == (
        f'ServiceProfile "{NAME}" has a route with an invalid condition: '
        f"spec.routes[1].condition: {WANTS_REQUEST}"
    )
    value = profile({"routes": [{"name": "x", "condition": {"all": [{"foo": 1}]}}]})
    assert verdict(value) == (
        "failed to validate ServiceProfile: Object contains unknown field `foo`"
        " - at `$.spec.routes[0].condition.all[0]`"
    )


def test_routes_come_before_the_budget() -> None:
    value = profile({"routes": [None], "retryBudget": {}})
    assert "null route" in verdict(value)


@pytest.mark.parametrize(
    "text",
    [
        b'{"metadata": {"name": "a"}, "metadata": {"name": "b"}}',
        b"metadata: {name: a}\nspec: {routes: [], routes: []}\n",
        b"metadata: {name: a, 200: x, '200': y}\n",
    ],
)
def test_a_key_that_is_there_twice(text: bytes) -> None:
    with pytest.raises(InvalidProfile, match=r"'?(metadata|routes|200)'? is there (2 times|twice)"):
        validate_document(text)


def test_yaml_reads_dates_as_text() -> None:
    validate_document(b"metadata: {name: a}\nspec: {routes: [{name: 2026-01-02, condition: "
                      b"{method: GET}}]}")  # fmt: skip
