"""Statuses of policy objects: real processes with their ServiceAccount's rights beside a real API
server, of which one writes. Ids of the catalogue: S12, S16, S17, S18, S21, S22."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from services.policy.status.names import LEASE
from tests.support.cluster import define
from tests.support.eventually import eventually
from tests.support.namespaces import fresh_namespace
from tests.support.policy.program import Objects
from tests.support.program import Program
from tests.support.replica import Replica, ready

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

TAKEN_OVER: Final = 20.0
"""Seconds after a leader's death within which another writes."""
AGAIN: Final = 10.0
"""Seconds within which a status that somebody overwrote is written again."""
ROUTES: Final = 1000
WEB: Final = {"group": "", "kind": "Service", "name": "web", "port": 80}
RULES: Final = [{"backendRefs": [{"name": "web", "port": 80}]}]
KINDS: Final = ("grpcroutes", "httproutes", "gatewayhttproutes", "tlsroutes", "tcproutes")
_log = logging.getLogger(__name__)  # shown with --log-cli-level=INFO


@pytest.fixture
def objects(own_api_cluster: LocalCluster) -> Iterator[Objects]:
    """A namespace of a server on which nobody else writes statuses."""
    define(own_api_cluster, "deploy/base/crds", "deploy/components/gateway-api")
    for manifest in ("namespace", "policy/rbac"):
        own_api_cluster.kubectl("apply", "--filename", str(ROOT / f"deploy/base/{manifest}.yaml"))
    with own_api_cluster.api() as api, fresh_namespace(api) as namespace:
        yield Objects(api, namespace)


@pytest.fixture
def kubeconfig(own_api_cluster: LocalCluster, objects: Objects, tmp_path: Path) -> Path:
    """What the program reads as it is deployed: the credentials of its ServiceAccount."""
    assert objects.namespace
    token = own_api_cluster.kubectl("create", "token", "linkerd-policy", "--namespace=linkerd")
    content = yaml.safe_load(own_api_cluster.kubeconfig.read_text())
    content["users"][0]["user"] = {"token": token.strip()}
    path = tmp_path / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@dataclass
class Writer:
    """A replica, and what it counts."""

    replica: Replica
    program: Program

    async def value(self, name: str) -> float:
        """The value of a series."""
        _, text = await self.replica.page("/metrics")
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    async def leads(self) -> bool:
        """Whether it holds the Lease."""
        return await self.value(f'leader_election_master_status{{name="{LEASE}"}}') == 1

    async def patches(self) -> float:
        """How many statuses it wrote."""
        return await self.value("resource_status_patches_total")


async def comes_true(condition: Callable[[], Any], what: str, seconds: float) -> float:
    """Waits for what has to be awaited to be found out; after how many seconds it was so."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < seconds, f"{what} did not come true in {seconds} s"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def accepted(objects: Objects, plural: str, name: str) -> dict[str, str]:
    """The reason of Accepted, by parent."""
    parents = objects.read(plural, name).get("status", {}).get("parents", ())
    return {
        each["parentRef"]["name"]: condition["reason"]
        for each in parents
        for condition in each.get("conditions", ())
        if condition["type"] == "Accepted"
    }


def route(objects: Objects, plural: str, name: str, **more: Any) -> None:
    """A route of a kind to the Service `web`."""
    hosts = {"hostnames": ["web.test"]} if plural == "tlsroutes" else {}
    spec = {"parentRefs": [WEB], "rules": RULES, **hosts, **more}
    objects.create(plural, name, spec)


async def test_one_of_two_writes_whatever_becomes_of_the_other(
    kubeconfig: Path, objects: Objects
) -> None:
    """The leader is stopped, goes on when another leads, and comes back when that one is killed."""
    places = [Replica.of(kubeconfig, "h2", "policy") for _ in range(2)]
    with places[0].start() as first_program, places[1].start() as second_program:
        first = Writer(places[0], first_program)
        second = Writer(places[1], second_program)
        await asyncio.gather(ready(first.program), ready(second.program))
        await comes_true(lambda: _any_leads(first, second), "a leader", 30)
        if await second.leads():
            first, second = second, first

        objects.create("services", "web", {"ports": [{"name": "http", "port": 80}]})
        route(objects, "httproutes", "one")
        await eventually(lambda: accepted(objects, "httproutes", "one") == {"web": "Accepted"})
        assert (await first.patches(), await second.patches()) == (1, 0)
        assert await second.value("resource_status_patch_enqueues_total") == 0

        first.program.pause()
        route(objects, "httproutes", "two")
        taken = await _seconds_until_written(objects, "two")
        _log.info("a leader that was stopped: the next status after %.1f s", taken)
        assert await second.leads()
        first.program.go_on()
        route(objects, "httproutes", "three")
        await _seconds_until_written(objects, "three")
        await comes_true(lambda: _steps_down(first), "that it steps down", 10)
        assert (await first.patches(), await second.patches()) == (1, 2)

        await asyncio.to_thread(second.program.kill)
        route(objects, "httproutes", "four")
        taken = await _seconds_until_written(objects, "four")
        _log.info("a leader that was killed: the next status after %.1f s", taken)
        assert await first.leads()
        assert await first.patches() == 2
        lease = _lease(objects)
        assert lease["spec"]["leaseTransitions"] == 2
        assert lease["metadata"]["labels"]["linkerd.io/control-plane-ns"] == "linkerd"


async def _any_leads(*writers: Writer) -> bool:
    return any([await each.leads() for each in writers])


async def _steps_down(writer: Writer) -> bool:
    return not await writer.leads()


async def _seconds_until_written(objects: Objects, name: str) -> float:
    began = time.monotonic()
    await eventually(
        lambda: accepted(objects, "httproutes", name) == {"web": "Accepted"},
        f"the status of {name}",
        TAKEN_OVER,
    )
    return time.monotonic() - began


async def test_what_is_written_on_a_real_server(kubeconfig: Path, objects: Objects) -> None:
    """Every kind, in the version that it is served in: which of them has the parent; what others
    wrote; what is overwritten."""
    place = Replica.of(kubeconfig, "h2", "policy")
    deployment = _deploy(objects)
    objects.create("services", "web", {"ports": [{"name": "http", "port": 80}]})
    for kind in KINDS:
        route(objects, kind, "r")
    objects.create("egressnetworks", "out", {"trafficPolicy": "Allow"})
    inside = [{"cidr": "10.1.0.0/16"}]
    objects.create("egressnetworks", "in", {"trafficPolicy": "Allow", "networks": inside})
    objects.create("servers", "web", {"port": 80, "podSelector": {}})
    target = {"group": "policy.linkerd.io", "kind": "Server", "name": "web"}
    limit = {"targetRef": target, "total": {"requestsPerSecond": 10}}
    objects.create("httplocalratelimitpolicies", "limit", limit)
    with place.start() as program:
        writer = Writer(place, program)
        await ready(program)

        def reasons() -> list[str | None]:
            return [accepted(objects, kind, "r").get("web") for kind in KINDS]

        lost = "RouteReasonConflicted"
        await eventually(lambda: reasons() == ["Accepted", *[lost] * 4], "who has the parent")
        for kind in ("grpcroutes", "httproutes", "gatewayhttproutes", "tlsroutes"):
            objects.delete(kind, "r")
        await eventually(lambda: accepted(objects, "tcproutes", "r") == {"web": "Accepted"})

        def condition(plural: str, name: str) -> str:
            status = objects.read(plural, name).get("status", {})
            return "".join(each["reason"] for each in status.get("conditions", ()))

        assert condition("egressnetworks", "out") == "Accepted"
        assert condition("egressnetworks", "in") == "EgressReasonNetworkOverlap"
        assert condition("httplocalratelimitpolicies", "limit") == "Accepted"
        entries = objects.read("tcproutes", "r")["metadata"]["managedFields"]
        assert "linkerd.io/policy-controller" in {each["manager"] for each in entries}

        patches = await writer.patches()
        theirs = {**objects.read("tcproutes", "r")["status"]["parents"][0]}
        theirs["controllerName"] = "example.test/gateways"
        objects.report("tcproutes", "r", {"parents": [theirs]})
        await eventually(
            lambda: len(objects.read("tcproutes", "r")["status"]["parents"]) == 2, seconds=AGAIN
        )
        assert objects.read("tcproutes", "r")["status"]["parents"][0] == theirs
        assert await writer.patches() == patches + 1

        objects.create("tcproutes", "last", {"parentRefs": [WEB], "rules": RULES})
        await eventually(lambda: accepted(objects, "tcproutes", "last") == {"web": "Accepted"})
        assert await writer.patches() == patches + 2
        assert await writer.value("resource_status_patch_api_errors_total") == 0
        (owner,) = _lease(objects)["metadata"]["ownerReferences"]
        assert owner["uid"] == deployment["metadata"]["uid"]
        assert not [each for each in program.entries if "forbidden" in str(each.get("error", ""))]


def _deploy(objects: Objects) -> Any:
    """The program's Deployment, of which nothing runs."""
    labels = {"app": "linkerd-policy"}
    containers = [{"name": "policy", "image": "policy"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body = {"metadata": {"name": "linkerd-policy"}, "spec": spec}
    return objects.api.request("POST", "/apis/apps/v1/namespaces/linkerd/deployments", body)


def _lease(objects: Objects) -> Any:
    path = f"/apis/coordination.k8s.io/v1/namespaces/linkerd/leases/{LEASE}"
    return objects.api.request("GET", path)


async def test_a_thousand_routes_at_once_cost_a_patch_each(
    kubeconfig: Path, objects: Objects
) -> None:
    place = Replica.of(kubeconfig, "h2", "policy")
    objects.create("services", "web", {"ports": [{"name": "http", "port": 80}]})
    with place.start() as program:
        writer = Writer(place, program)
        await ready(program)
        await comes_true(writer.leads, "leadership", 30)
        began = time.monotonic()
        for number in range(ROUTES):
            await asyncio.to_thread(route, objects, "httproutes", f"r{number}")
        _log.info("%d routes were created in %.1f s", ROUTES, time.monotonic() - began)

        async def all_written() -> bool:
            return await writer.patches() >= ROUTES

        waited = await comes_true(all_written, "a status for each", 60)
        found = [each.get("status", {}).get("parents") for each in objects.list("httproutes")]
        assert len(found) == ROUTES
        assert all(found)
        errors = await writer.value("resource_status_patch_api_errors_total")
        _log.info("written %.1f s later; refused: %d", waited, errors)
        assert await writer.patches() + errors <= ROUTES * 1.02
