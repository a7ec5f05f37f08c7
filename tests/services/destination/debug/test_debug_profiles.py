"""What the debug page says of a profile is true: who is said to be chosen is who the answer is of.

Generated worlds are small enough that IPs, names and namespaces meet.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from linkerd.mesh.authority import parse_authority
from services.destination.debug import profiles
from tests.support.destination.world import DOMAIN, World
from tests.support.objects import (
    container,
    endpoint,
    endpoint_slice,
    external_workload,
    pod,
    service,
    service_profile,
)

IPS: Final = ["10.4.0.1", "10.4.0.2"]
NAME: Final = f"ledger.fin.svc.{DOMAIN}"
ASKED: Final = [f"{NAME}:8080", f"{NAME}:9", f"h0.{NAME}:8080", *(f"{ip}:8080" for ip in IPS)]


def some_pod(r: Random) -> Any:
    return pod(
        r.choice("abc"),
        "fin",
        r.choice(IPS),
        containers=[container(web=(8080, r.choice([0, 8080])))],
        host_ip=r.choice(IPS),
        host_network=r.random() < 0.2,
        phase=r.choice(["Running", "Running", "Pending", "Failed"]),
        deleting=r.random() < 0.3,
    )


def some_profile(r: Random) -> Any:
    namespace = r.choice(["fin", "ops"])
    routes = [{"name": namespace, "condition": {"method": "GET"}}]
    return service_profile(NAME, namespace, routes=routes)


def some_object(r: Random) -> Any:
    makers: list[Callable[[], Any]] = [
        lambda: some_pod(r),
        lambda: some_pod(r),
        lambda: some_profile(r),
        lambda: external_workload("m", "fin", r.choice(IPS)),
        lambda: service("ledger", "fin", *r.sample(IPS, r.choice([0, 1]))),
        lambda: service(r.choice(["vault", "safe"]), "fin", r.choice(IPS)),
        lambda: endpoint_slice("s", "ledger", endpoint("192.0.2.1", pod="a", hostname="h0")),
    ]
    return r.choice(makers)()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@settings(max_examples=200, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64), st.integers(0, 12), st.sampled_from(ASKED))
def test_the_chosen_ones_are_those_of_the_answer(seed: int, count: int, asked: str) -> None:
    r = Random(seed)
    world, client = World(), r.choice(["", "fin", "ops"])
    for _ in range(count):
        world.apply(some_object(r))
    page = profiles.page(world.index, asked, parse_authority(asked, DOMAIN), client)
    answer = page["answer"]

    holders = [holder for holder in page.get("holders", ()) if holder["chosen"]]
    instance = page.get("instance", {})
    if "error" in answer:
        assert holders == []
    elif "holders" in page:
        names = {each["name"] for each in holders}  # one may hold it twice, by IP and by port
        assert len(names) == ("endpoint" in answer)
    labels = answer.get("endpoint", {}).get("metric_labels", {})
    who = {labels[name] for name in ("pod", "external_workload") if name in labels}
    assert who <= {each["name"] for each in (*holders, instance) if each.get("name")}

    chosen = [each["namespace"] for each in page["service_profiles"] if each["chosen"]]
    routes = [route["metrics_labels"]["route"] for route in answer.get("routes", ())]
    assert routes == chosen
    assert not world.index.views
    home = world.index.home
    assert (len(home.facts), len(home.profiles), len(home.dependencies)) == (0, 0, 0)
    assert world.index.tally.failures == 0
