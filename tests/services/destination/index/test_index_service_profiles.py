"""ServiceProfiles: which one counts, and what it says. Ids of the catalogue: T20 to T24, T78 to
T93, T149, T150, T194, N8."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import http_types_pb2
from tests.support.destination.world import World
from tests.support.objects import service, service_profile

FQN = "ledger.fin.svc.mesh.test"
PATH = f"{FQN}:9000"
GET_ITEMS = {"name": "list", "condition": {"method": "get", "pathRegex": "/v1/items"}}


def with_service() -> World:
    world = World()
    world.apply(service("ledger", "fin", "10.96.3.3", "fd00:96::3", ports={"": 9000}))
    return world


def said(**spec: Any) -> pb.DestinationProfile:
    """What a client hears of a profile with this spec."""
    world = with_service()
    world.apply(service_profile(FQN, **spec))
    return world.profile(PATH).one()


def refused(**spec: Any) -> str:
    """Why a profile with this spec is ignored; clients get the default one."""
    world = with_service()
    world.apply(service_profile(FQN, **spec))
    with capture_logs() as logs:
        profile = world.profile(PATH).one()
    assert not profile.routes
    assert not profile.dst_overrides
    assert profile.retry_budget.min_retries_per_second == 10
    assert world.index.tally.complaints == len(logs) == 1
    assert logs[0]["error"].endswith("the whole profile is ignored")
    return str(logs[0]["error"])


def route(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "condition": {"method": "GET"}, **more}


def names(profile: pb.DestinationProfile) -> list[str]:
    return [item.metrics_labels["route"] for item in profile.routes]


@pytest.mark.parametrize("path", [PATH, "10.96.3.3:9000", "[fd00:96::3]:9000"])
def test_t20_t23_t24_the_servers_profile(path: str) -> None:
    world = with_service()
    world.apply(service_profile(FQN, routes=[route("theirs")]))
    for client in ("", "shop", "fin"):
        profile = world.profile(path, client).one()
        assert profile.fully_qualified_name == FQN
        assert names(profile) == ["theirs"]
        source = profile.profile_ref.resource
        assert (source.kind, source.namespace, source.name) == ("ServiceProfile", "fin", FQN)


def test_t22_the_clients_profile_goes_before() -> None:
    world = with_service()
    world.apply(service_profile(FQN, routes=[route("theirs")]))
    world.apply(service_profile(FQN, "shop", routes=[route("mine", isRetryable=True)]))
    profile = world.profile(PATH, "shop").one()
    assert names(profile) == ["mine"]
    assert profile.routes[0].is_retryable
    assert names(world.profile(PATH, "fin").one()) == ["theirs"]
    assert names(world.profile(PATH).one()) == ["theirs"]


def test_t78_to_t84_profiles_come_and_go() -> None:
    mine = service_profile(FQN, "shop", routes=[route("mine")])
    theirs = service_profile(FQN, routes=[route("theirs")])
    world = with_service()
    stream = world.profile(PATH, "shop")
    assert names(stream.one()) == []
    world.apply(theirs)
    assert names(stream.one()) == ["theirs"]
    world.apply(mine)
    assert names(stream.one()) == ["mine"]  # T82
    world.delete(theirs)
    assert stream.read() == []  # T83: what does not count makes no noise
    world.apply(theirs)
    assert stream.read() == []
    world.delete(mine)
    assert names(stream.one()) == ["theirs"]  # T84
    world.delete(theirs)
    assert names(stream.one()) == []
    world.apply(mine)
    assert names(stream.one()) == ["mine"]
    world.delete(mine)
    assert names(stream.one()) == []  # T80
    stream.subscription.close()
    assert (len(world.index.home.dependencies), len(world.index.home.profiles)) == (0, 0)


def test_t92_without_a_profile_there_are_no_routes_and_the_usual_retries() -> None:
    profile = with_service().profile(PATH).one()
    assert not profile.routes
    assert not profile.dst_overrides
    budget = profile.retry_budget
    assert (round(budget.retry_ratio, 3), budget.min_retries_per_second) == (0.2, 10)
    assert budget.ttl.ToTimedelta() == timedelta(seconds=10)


def test_t149_t150_a_profile_that_is_there_and_that_goes() -> None:
    world = with_service()
    mine = service_profile(FQN, routes=[route("a")])
    world.apply(mine)
    stream = world.profile(PATH)
    assert names(stream.one()) == ["a"]
    for _ in range(2):  # a deletion may be told twice
        world.delete(mine)
    assert names(stream.one()) == []


def test_t194_profiles_of_other_services_and_of_other_clients_do_not_count() -> None:
    world = with_service()
    world.apply(service_profile("other.fin.svc.mesh.test", routes=[route("other")]))
    world.apply(service_profile(FQN, "ops", routes=[route("ops")]))
    assert names(world.profile(PATH, "shop").one()) == []


def test_a_new_version_that_says_the_same_is_not_told() -> None:
    world = with_service()
    world.apply(service_profile(FQN, routes=[route("a")]))
    stream = world.profile(PATH)
    stream.read()
    world.apply(service_profile(FQN, routes=[route("a")]))
    assert stream.read() == []


def test_the_worked_example() -> None:
    failure = {"condition": {"status": {"min": 502, "max": 504}}, "isFailure": True}
    profile = said(
        routes=[{**GET_ITEMS, "timeout": "250ms", "responseClasses": [failure]}],
        dstOverrides=[{"authority": "ledger-v2.fin.svc.mesh.test", "weight": "250m"}],
    )
    (item,) = profile.routes
    method, path = item.condition.all.matches
    assert method.method.registered == http_types_pb2.HttpMethod.GET
    assert path.path.regex == "/v1/items"
    (response,) = item.response_classes
    assert (response.condition.status.min, response.condition.status.max) == (502, 504)
    assert response.is_failure
    assert item.timeout.ToTimedelta() == timedelta(milliseconds=250)
    (target,) = profile.dst_overrides
    assert (target.authority, target.weight) == ("ledger-v2.fin.svc.mesh.test:9000", 2500)
    assert profile.retry_budget.ttl.seconds == 10
    assert profile.parent_ref.resource.port == 9000


def test_t85_a_full_profile() -> None:
    profile = said(
        routes=[
            route("a", isRetryable=True, responseClasses=[{"condition": {"status": {"min": 500}}}]),
            {"name": "b", "condition": {"pathRegex": "/b"}},
        ],
        retryBudget={"retryRatio": 0.5, "minRetriesPerSecond": 3, "ttl": "1m"},
    )
    assert names(profile) == ["a", "b"]
    assert [item.is_retryable for item in profile.routes] == [True, False]
    budget = profile.retry_budget
    assert (budget.retry_ratio, budget.min_retries_per_second) == (0.5, 3)
    assert budget.ttl.seconds == 60


def test_t86_t88_several_fields_are_all_of_them_in_a_fixed_order() -> None:
    condition = {
        "pathRegex": "/x",
        "not": {"method": "brew"},
        "method": "POST",
        "any": [],
        "all": [{"method": "PUT"}],
    }
    response = {"not": {"status": {"max": 404}}, "status": {"min": 200}}
    classes = [{"condition": response}]
    profile = said(routes=[{"name": "a", "condition": condition, "responseClasses": classes}])
    (item,) = profile.routes
    kinds = [match.WhichOneof("match") for match in item.condition.all.matches]
    assert kinds == ["all", "any", "method", "not", "path"]
    negated = getattr(item.condition.all.matches[3], "not")
    assert negated.method.unregistered == "BREW"
    matches = item.response_classes[0].condition.all.matches
    assert [match.WhichOneof("match") for match in matches] == ["status", "not"]
    inner = getattr(matches[1], "not").status
    assert (inner.min, inner.max) == (404, 404)  # T91, Q17: exactly the one that was given


@pytest.mark.parametrize(
    "spec",
    [
        {"routes": [{"name": "a", "condition": {}}]},  # T87
        {"routes": [{"name": "a"}]},
        {"routes": [route("a", responseClasses=[{"condition": {}}])]},  # T89
        {"routes": [route("a", responseClasses=[{}])]},
        {"routes": [route("a", responseClasses=[{"condition": {"status": {}}}])]},
        {"routes": [{"name": "a", "condition": {"all": [{"method": "GET"}, {}]}}]},
        {"retryBudget": {"retryRatio": 0.1, "minRetriesPerSecond": 1, "ttl": "soon"}},
        {"retryBudget": {"retryRatio": 0.1, "minRetriesPerSecond": 1}},
        {"dstOverrides": [{"authority": "a.b", "weight": "heavy"}]},
        {"dstOverrides": [{"authority": "a.b", "weight": "-1"}]},
    ],
)
def test_n8_a_profile_that_means_nothing_is_no_profile(spec: dict[str, Any]) -> None:
    refused(**spec)


@pytest.mark.parametrize(("low", "high"), [(504, 502), (99, 200), (200, 600)])
def test_t90_impossible_statuses(low: int, high: int) -> None:
    classes = [{"condition": {"status": {"min": low, "max": high}}}]
    assert "no range of HTTP statuses" in refused(routes=[route("a", responseClasses=classes)])


def test_nesting_is_bounded() -> None:
    condition: dict[str, Any] = {"method": "GET"}
    for _ in range(31):
        condition = {"not": condition}
    assert "nested" in refused(routes=[{"name": "a", "condition": condition}])
    shallow = said(routes=[{"name": "a", "condition": condition["not"]}])
    assert len(shallow.routes) == 1


def test_a_profile_that_is_mended() -> None:
    world = with_service()
    world.apply(service_profile(FQN, routes=[{"name": "a"}]))
    stream = world.profile(PATH)
    assert names(stream.one()) == []
    world.apply(service_profile(FQN, routes=[route("a")]))
    assert names(stream.one()) == ["a"]


@pytest.mark.parametrize(("text", "given"), [("", False), ("0", False), ("350ms", True)])
def test_t93_timeouts(text: str, *, given: bool) -> None:
    (item,) = said(routes=[route("a", timeout=text)]).routes
    assert item.HasField("timeout") is given


def test_a_malformed_timeout_costs_the_route_nothing_else() -> None:
    with capture_logs() as logs:
        (item,) = said(routes=[route("a", timeout="one-second", isRetryable=True)]).routes
    assert not item.HasField("timeout")
    assert item.is_retryable
    assert "spec.routes[0].timeout" in logs[0]["error"]


@pytest.mark.parametrize(
    "budget",
    [
        {"retryRatio": 0.2, "minRetriesPerSecond": 1, "ttl": "500ms"},
        {"retryRatio": 0.2, "minRetriesPerSecond": 1, "ttl": "2m"},
        {"retryRatio": 1001, "minRetriesPerSecond": 1, "ttl": "10s"},
        {"retryRatio": -1, "minRetriesPerSecond": 1, "ttl": "10s"},
        {"retryRatio": 0.2, "minRetriesPerSecond": 2**31, "ttl": "10s"},
    ],
)
def test_a_budget_that_proxies_would_drop_is_left_out_and_told(budget: dict[str, Any]) -> None:
    with capture_logs() as logs:
        profile = said(routes=[route("a")], retryBudget=budget)
    assert not profile.HasField("retry_budget")
    assert len(profile.routes) == 1
    assert len(logs) == 1


def test_profiles_do_not_reach_a_port_that_the_service_does_not_declare() -> None:
    world = with_service()
    world.apply(service_profile(FQN, routes=[route("a")]))
    assert world.profile(f"{FQN}:1").one() == pb.DestinationProfile()
