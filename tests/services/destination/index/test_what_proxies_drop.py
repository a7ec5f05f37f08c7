"""Parts of objects that a proxy would drop, or that would spoil its metrics: they are left out or
mended here, and reported. (A proxy that drops an identity speaks plain text.)"""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.objects import ServiceProfile
from services.destination.index import Kind
from tests.support.destination.world import EndpointStream, World
from tests.support.objects import (
    endpoint,
    endpoint_slice,
    external_workload,
    node,
    pod,
    service,
    service_profile,
    traffic_split,
)

LEDGER = "ledger.fin.svc.mesh.test"
GATEWAY = "mirror.linkerd.io/remote-gateway-identity"
REMOTE = "mirror.linkerd.io/remote-svc-fq-name"
MIRRORED = {GATEWAY: "gw.north.test", REMOTE: "ledger.fin.svc.north.test"}


def told(*objects: Any) -> EndpointStream:
    """A stream that has read what it is told of fin/ledger, with these objects in it."""
    world = World()
    world.apply(node("n1", "z1"), kind=Kind.NODE)
    world.apply(service("ledger"), *objects)
    stream = world.get(f"{LEDGER}:8080", node="n1")
    stream.read()
    return stream


def problems(logs: list[Any]) -> list[str]:
    return [line["error"] for line in logs if line["event"] == "object is malformed"]


@pytest.mark.parametrize(
    "annotations",
    [{GATEWAY: "gw north"}, {GATEWAY: "10.0.0.1"}, {GATEWAY: "a" * 300}, {REMOTE: "not a name"}],
)
def test_a_gateway_without_a_usable_name(annotations: dict[str, str]) -> None:
    bad = endpoint_slice("s1", "ledger", endpoint("192.0.2.1"), annotations=MIRRORED | annotations)
    good = endpoint_slice("s2", "ledger", endpoint("192.0.2.2"), annotations=MIRRORED)
    with capture_logs() as logs:
        assert told(bad, good).sockets == {"192.0.2.2:8080"}
    (problem,) = problems(logs)
    assert problem.startswith(next(iter(annotations)))


def test_a_pod_whose_identity_no_certificate_can_have() -> None:
    long = pod("a", "fin", "10.4.0.1", account="s" * 250)
    good = pod("b", "fin", "10.4.0.2", account="s" * 63)
    items = endpoint_slice(
        "s", "ledger", endpoint("10.4.0.1", pod="a"), endpoint("10.4.0.2", pod="b")
    )
    with capture_logs() as logs:
        stream = told(long, good, items)
    assert not stream.address("10.4.0.1:8080").HasField("tls_identity")
    assert stream.address("10.4.0.2:8080").HasField("tls_identity")
    (problem,) = problems(logs)
    assert problem.startswith("spec.serviceAccountName: ")


@pytest.mark.parametrize("kind", ['De"ployment', "a b", "x\n", "Ä", "k\\"])
def test_owners_whose_kind_is_no_name_of_a_label(kind: str) -> None:
    of_pod = pod("a", "fin", "10.4.0.1", owners=[(kind, "o")])
    machine = external_workload("m", "fin", "192.0.2.4", owners=[(kind, "o")])
    items = endpoint_slice(
        "s",
        "ledger",
        endpoint("10.4.0.1", pod="a"),
        endpoint("192.0.2.4", pod=("ExternalWorkload", "m")),
    )
    stream = told(of_pod, machine, items)
    assert stream.address("10.4.0.1:8080").metric_labels["pod"] == "a"
    assert set(stream.address("192.0.2.4:8080").metric_labels) == {
        *("external_workload", "zone", "zone_locality")
    }


def test_quotes_and_line_ends_in_values_of_labels() -> None:
    odd = pod("a", "fin", "10.4.0.1", owners=[("Widget", 'w"} 1\n\\')])
    stream = told(odd, endpoint_slice("s", "ledger", endpoint("10.4.0.1", pod="a", zone='z"1')))
    labels = stream.address("10.4.0.1:8080").metric_labels
    assert (labels["widget"], labels["zone"]) == ("w_} 1__", "z_1")


def test_a_value_of_a_label_that_would_fill_metrics() -> None:
    slices = endpoint_slice("s", "ledger", endpoint("10.4.0.1", pod="a", zone="z" * 100_000))
    labels = told(pod("a", "fin", "10.4.0.1"), slices).address("10.4.0.1:8080").metric_labels
    assert labels["zone"] == "z" * 253


def test_names_of_a_mirrored_service_with_quotes() -> None:
    slices = endpoint_slice(
        "s",
        "ledger",
        endpoint("192.0.2.1"),
        labels={"mirror.linkerd.io/cluster-name": 'no"rth'},
        annotations={REMOTE: "ledger.fin"},
    )
    assert told(slices).reader.labels["target_cluster"] == "no_rth"


def profile(**spec: Any) -> tuple[Any, list[str]]:
    """What a client hears of a ServiceProfile, and what is said of it."""
    world = World()
    world.apply(service("ledger"), service_profile(LEDGER, **spec))
    with capture_logs() as logs:
        return world.profile(f"{LEDGER}:8080").one(), problems(logs)


def test_a_name_of_a_route_with_quotes() -> None:
    route = {"name": 'GET "/a"', "condition": {"method": "GET"}}
    message, said = profile(routes=[route])
    assert message.routes[0].metrics_labels["route"] == "GET _/a_"
    assert not said


ODD_PATHS = ["(", "/users/{id}", "/a(?=b)", r"\Qa\E", "[", "a" * 5_000]
ODD_CONDITIONS: list[Any] = [
    *({"method": "POST", "pathRegex": regex} for regex in ODD_PATHS),
    *({"method": method, "pathRegex": "/a"} for method in ("GE T", "G\n", "Ä", "a,b")),
    {"all": [{"method": "G T"}, {"pathRegex": "/a"}]},
    {"all": [{"method": "POST"}, {"not": {"pathRegex": "("}}]},
    {"any": [{"all": [{"method": "POST"}, {"any": [{"pathRegex": "("}]}]}]},
    {"not": {"all": [{"pathRegex": "/a"}, {"not": {"not": {"method": "G T"}}}]}},
]


@pytest.mark.parametrize("condition", ODD_CONDITIONS)
def test_a_condition_of_which_proxies_drop_a_part_takes_its_route_out(condition: Any) -> None:
    """What is left of the condition would match more, and be retried."""
    good = {"name": "b", "condition": {"method": "GET"}}
    odd = {"name": "a", "condition": condition, "isRetryable": True}
    message, said = profile(routes=[good, odd, odd])
    assert [route.metrics_labels["route"] for route in message.routes] == ["b"]
    (problem,) = said
    assert problem.startswith("spec.routes: spec.routes[1].condition: ")
    assert problem.endswith("left out, and so are 1 others, and what follows is not retried")


@pytest.mark.parametrize("empty", [{"all": []}, {"any": []}, {"not": {"all": []}}])
def test_a_response_class_that_proxies_drop_takes_its_route_out(empty: Any) -> None:
    """Without "these are no failures" more of them are retried."""
    failures = {"condition": {"status": {"min": 500, "max": 599}}, "isFailure": True}
    classes = [{"condition": empty, "isFailure": False}, failures]
    route = {"name": "a", "condition": {"method": "GET"}, "responseClasses": classes}
    message, said = profile(routes=[route | {"isRetryable": True}])
    assert not message.routes
    assert len(said) == 1


def test_what_would_have_gone_by_a_route_that_is_left_out_is_not_retried() -> None:
    """It goes by whichever of the later routes takes it."""
    every = {"condition": {"pathRegex": ".*"}, "isRetryable": True, "timeout": "1s"}
    odd = {"name": "a", "condition": {"pathRegex": "/pay/{id}"}}
    message, _ = profile(routes=[every | {"name": "b"}, odd, every | {"name": "c"}])
    assert [route.is_retryable for route in message.routes] == [True, False]
    assert [route.HasField("timeout") for route in message.routes] == [True, True]


@pytest.mark.parametrize("regex", [" /a/[^/]* ", r"^\/a$", "/a|/b", "*a", r"/\w+/\d{4}"])
def test_paths_are_told_as_they_are_written(regex: str) -> None:
    condition = {"method": "GET", "pathRegex": regex}
    message, said = profile(routes=[{"name": "a", "condition": condition}])
    assert message.routes[0].condition.all.matches[1].path.regex == regex
    assert not said


@pytest.mark.parametrize("end", ["", "**"])
def test_regular_expressions_that_are_too_much_together(end: str) -> None:
    """Whether they are good or bad: finding out takes as long."""
    routes = [
        {"name": "a", "condition": {"pathRegex": rf"/{number}/\w{{60}}/a{end}"}}
        for number in range(10)
    ]
    message, said = profile(routes=routes)
    assert not message.routes
    assert len(said) == 1
    assert "take more than 32 MiB together" in said[0]


@pytest.mark.parametrize(
    "odd",
    [
        {"condition": {"all": [{"method": "POST", "header": "x"}]}},
        {"condition": {"not": {"pathregex": "/a"}}},
        {
            "condition": {"method": "GET"},
            "responseClasses": [{"condition": {"any": [{"status": {"min": 500, "mox": 501}}]}}],
        },
    ],
)
def test_fields_of_conditions_that_nobody_knows(odd: Any) -> None:
    """The API server keeps them below the first level. Without them a condition matches more, so
    the object is malformed; the last good one stays."""
    manifest = {"metadata": {"name": LEDGER, "namespace": "fin"}, "spec": {"routes": [odd]}}
    found = ObjectDecoder(ServiceProfile).decode(json.dumps(manifest).encode())
    assert isinstance(found, Malformed)
    assert "unknown field" in found.problem


@pytest.mark.parametrize("authority", ["", "a b", ":80", "a..b:80", "a:b", "a:65536", "x" * 300])
def test_targets_that_are_no_names(authority: str) -> None:
    overrides = [{"authority": authority, "weight": 1}, {"authority": "b.c", "weight": 3}]
    message, said = profile(dstOverrides=overrides)
    assert [target.authority for target in message.dst_overrides] == ["b.c:8080"]
    assert len(said) == 1
    assert "is no name" in said[0]


def test_a_split_among_names_that_are_too_long_altogether() -> None:
    world = World()
    backends: dict[str, Any] = {"v" * 63: 1, "w": 1}
    world.apply(service("ledger"), traffic_split("s", "ledger", **backends))
    message = world.profile(f"{LEDGER}:8080").one()
    assert len(message.dst_overrides) == 2


def test_a_service_whose_name_is_none() -> None:
    """No API server has such a one; proxies go on with the rest of the profile."""
    world = World()
    odd = {"config.linkerd.io/opaque-ports": "8080"}
    world.apply(service("led ger", "fin", "10.96.0.1", annotations=odd))
    message = world.profile("10.96.0.1:8080").one()
    assert (message.fully_qualified_name, message.opaque_protocol) == ("", True)
