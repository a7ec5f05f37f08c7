"""Cases of ServiceProfiles. V are the catalogue's ids."""

from typing import Any, Final

from tests.support.admission.cases import NAMESPACE, Case

NAME: Final = "cart.shop.svc.cluster.local"
GET: Final = {"method": "GET"}
BUDGET: Final = {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"}


def profile(spec: Any, name: str = NAME) -> dict[str, Any]:
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


def route(**fields: Any) -> dict[str, Any]:
    """A profile of one good route with these fields; None takes one away."""
    whole = {"name": "list", "condition": GET, **fields}
    return profile({"routes": [{k: v for k, v in whole.items() if v is not None}]})


def request(condition: Any) -> dict[str, Any]:
    return route(condition=condition)


def status(**bounds: int) -> dict[str, Any]:
    return route(responseClasses=[{"condition": {"status": bounds}}])


def budget(**fields: Any) -> dict[str, Any]:
    whole = {**BUDGET, **fields}
    return profile({"retryBudget": {k: v for k, v in whole.items() if v is not None}})


FIELD_SET: Final = "A request match must have a field set"
UNKNOWN: Final = "unknown field `foo`"
TWO_FAULTS: Final = profile({"routes": [{"name": "", "condition": GET}, {"name": "b"}]})

PROFILE_CASES: Final = [
    Case("v01", route()),
    Case("v02", profile({})),
    Case("v03-spec", profile({"foo": 1}), UNKNOWN, schema='unknown field "spec.foo"'),
    Case("v03-route", route(foo=1), UNKNOWN, schema='unknown field "spec.routes[0].foo"'),
    Case(
        "v03-range",
        route(responseClasses=[{"condition": {"status": {"foo": 1}}}]),
        UNKNOWN,
        schema='unknown field "spec.routes[0].responseClasses[0].condition.status.foo"',
    ),
    Case(
        "v04",
        route(isRetryable="yes"),
        "`$.spec.routes[0].isRetryable`",
        schema="must be of type boolean",
    ),
    Case(
        "v05",
        profile({}, "Cart_Svc"),
        'ServiceProfile "Cart_Svc" has an invalid name',
        schema="metadata.name",
    ),
    Case("v06", profile({"routes": [None]}), "has a null route", schema="must be of type object"),
    Case("v07", route(name=None), "has a route with no name", schema="name: Required"),
    Case("v08-10", route(timeout="10"), "has a route with an invalid timeout"),
    Case("v08-10ms", route(timeout="10ms")),
    Case("v08-negative", route(timeout="-5s")),
    Case(
        "v09", route(condition=None), "has a route with no condition", schema="condition: Required"
    ),
    Case("v10", request({}), FIELD_SET),
    Case("v11", request({"all": []})),
    Case("v12", request({"any": [None]}), 'null condition "any"', schema="must be of type object"),
    Case("v13", request({"not": {"not": {}}}), FIELD_SET),
    Case("v14", request({"pathRegex": "(["}), "is no regular expression for proxies"),
    Case("v15-min-99", status(min=99), "Range minimum must be between"),
    Case("v15-min-600", status(min=600), "Range minimum must be between"),
    Case("v15-max-99", status(max=99), "Range maximum must be between"),
    Case("v15-max-600", status(max=600), "Range maximum must be between"),
    Case("v15-order", status(min=500, max=400), "Range maximum cannot be smaller than minimum"),
    Case("v16-min", status(min=500)),
    Case("v16-empty", status()),
    Case("v17", budget(ttl=None), "RetryBudget missing TTL field", schema="ttl: Required"),
    Case(
        "v18",
        budget(ttl=None, retryRatio=-0.2),
        "RetryBudget RetryRatio must be",
        schema="ttl: Required",
    ),
    Case("v19", budget(ttl="soon"), "RetryBudget has an invalid TTL"),
    Case("v20", profile({"opaquePorts": ["http"]}), "has an opaque port that is no number"),
    Case("v21-milli", profile({"dstOverrides": [{"authority": "a.b", "weight": "500m"}]})),
    Case(
        "v21-lots",
        profile({"dstOverrides": [{"authority": "a.b", "weight": "lots"}]}),
        "has a destination with an invalid weight",
    ),
    Case(
        "v22",
        TWO_FAULTS,
        "has a route with no name: spec.routes[0]",
        schema="routes[1].condition: Required",
    ),
]
