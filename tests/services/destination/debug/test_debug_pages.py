"""The debug pages over HTTP: what they say, in words, and how much of it."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from linkerd.runtime.admin import AdminServer
from linkerd.runtime.readiness import Readiness
from linkerd.runtime.settings import HostPort
from services.destination.debug import DebugPages
from services.destination.debug.ages import Age
from services.destination.debug.pages import MAX_BYTES
from services.destination.index import Kind
from tests.support.destination.world import DOMAIN, World
from tests.support.objects import (
    container,
    endpoint,
    endpoint_slice,
    node,
    owned,
    pod,
    server,
    service,
    service_profile,
    traffic_split,
)

LEDGER = f"ledger.fin.svc.{DOMAIN}:8080"
Json = dict[str, Any]


@pytest.fixture
def world() -> World:
    return World()


class Browser:
    """Reads pages of a world."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session = session
        self.root = f"http://127.0.0.1:{port}/debug/"

    async def read(self, page: str, expected: int = 200, **query: str) -> Json:
        async with self.session.get(self.root + page, params=query) as response:
            body = await response.read()
            assert response.status == expected, body
            assert response.content_type == "application/json"
            assert len(body) <= MAX_BYTES
            document: Json = await response.json()
            return document

    async def reasons(self, **query: str) -> dict[str, str]:
        """Why, by the first address of the endpoint; empty for those that are in."""
        page = await self.read("endpoints", **{"authority": LEDGER} | query)  # type: ignore[arg-type]  # no number is among them
        assert page["agrees"]
        (origin,) = page["origins"]
        return {
            item["addresses"][0]: outcome.get("why", "")
            for found in origin["slices"]
            for item in found["endpoints"]
            for outcome in item["outcomes"]
        }


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    ages = [Age("local", "pods", 3.21), Age("north", "pods", 70)]
    admin = AdminServer(
        HostPort("127.0.0.1", 0),
        readiness=Readiness(),
        registry=CollectorRegistry(),
        pages=DebugPages(world.index, DOMAIN, lambda: ages).pages(),
    )
    await admin.start()
    async with aiohttp.ClientSession() as session:
        yield Browser(session, admin.port)
    await admin.stop()


class TestEndpoints:
    async def test_each_reason(self, world: World, browser: Browser) -> None:
        world.apply(
            service("ledger", ports={"web": 8080}),
            pod("a", "fin", "10.4.0.1"),
            pod("b", "fin", "10.4.0.2", init_containers=[]),
            endpoint_slice(
                "s1",
                "ledger",
                endpoint("10.4.0.1", pod="a"),
                endpoint("10.4.0.2", pod="b"),
                endpoint("10.4.0.3", pod="c"),
                endpoint("10.4.0.4", ready=False),
                endpoint("10.4.0.5", pod=("Node", "n1")),
                endpoint("banana"),
                ports={"web": 8080},
            ),
            endpoint_slice("s2", "ledger", endpoint("10.4.0.7"), ports={"db": 3306, "": 1}),
        )
        assert await browser.reasons() == {
            "10.4.0.1": "",
            "10.4.0.2": "the proxy container's admin or control address is missing or unclear",
            "10.4.0.3": "there is no pod fin/c",
            "10.4.0.4": "it is not ready",
            "10.4.0.5": "its targetRef is of kind 'Node'",
            "banana": "'banana' is not an IP",
            "10.4.0.7": "port 'web' is wanted, and the slice has: 'db' (3306), '' (1)",
        }

    async def test_what_is_hidden_from_a_client(self, world: World, browser: Browser) -> None:
        hinted = [
            endpoint("192.0.2.1", hints=["z1"], hostname="h0"),
            endpoint("192.0.2.2", hints=["z2"]),
        ]
        world.apply(service("ledger"), endpoint_slice("s", "ledger", *hinted))
        world.apply(node("n1", "z1"), kind=Kind.NODE)
        zone = "its zone hints are for z2, and the client is in zone 'z1'"
        name = "its hostname is '', and 'h0' is asked for"
        assert await browser.reasons(node="n1") == {"192.0.2.1": "", "192.0.2.2": zone}
        assert await browser.reasons(hostname="h0") == {"192.0.2.1": "", "192.0.2.2": name}
        by_name = await browser.reasons(authority=f"h0.{LEDGER}")
        assert by_name == {"192.0.2.1": "", "192.0.2.2": name}
        world.apply(service("ledger", local=True))
        assert set((await browser.reasons(node="n1")).values()) == {
            "internalTrafficPolicy is Local: it is on no node that is known, the client on 'n1'"
        }

    async def test_the_objects_behind_an_endpoint(self, world: World, browser: Browser) -> None:
        world.apply(owned("r", "fin", ("Deployment", "d")), kind=Kind.REPLICA_SET)
        world.apply(
            service("ledger"),
            pod("a", "fin", "10.4.0.1", owners=[("ReplicaSet", "r")], labels={"app": "l"}),
            server("opaque", 8080, selects={"app": "l"}),
            server("other-port", 9090, selects={"app": "l"}),
            server("other-pods", 8080, selects={"app": "x"}),
            endpoint_slice("s", "ledger", endpoint("10.4.0.1", pod="a")),
        )
        page = await browser.read("endpoints", authority=LEDGER)
        (origin,) = page["origins"]
        (found,) = origin["slices"]
        (item,) = found["endpoints"]
        (outcome,) = item["outcomes"]
        target = item["target"]
        assert (target["uid"], target["owner"]) == (
            "uid-fin-a",
            {"kind": "deployment", "name": "d"},
        )
        assert target["opaque_by_servers"] == ["opaque"]
        assert outcome["protocol"] == "opaque"
        assert outcome["labels"]["deployment"] == "d"
        assert found["resource_version"] == str(found["rank"])
        assert (origin["cluster"], origin["wanted_port"]) == ("local", "")
        assert page["service"]["known"]
        assert page["answer"] == {"endpoints": 1, "streams": 0, "version": 1}

    async def test_members_of_other_clusters(self, world: World, browser: Browser) -> None:
        annotations = {"multicluster.linkerd.io/remote-discovery": "a@north,b@west"}
        world.apply(service("all", annotations=annotations))
        world.index.clusters.announce("north")
        page = await browser.read("endpoints", authority=f"all.fin.svc.{DOMAIN}:8080")
        assert {each["cluster"]: each["state"] for each in page["origins"]} == {
            "north": "the cluster has not been read yet",
            "west": "the cluster is not linked",
        }

    async def test_a_client_that_is_refused(self, world: World, browser: Browser) -> None:
        page = await browser.read("endpoints", authority=LEDGER)
        assert page["answer"]["error"].startswith("NotFoundError: path: no service fin/ledger")
        world.apply(service("ledger", type="ExternalName"))
        world.apply(endpoint_slice("s", "ledger", endpoint("192.0.2.1")))
        page = await browser.read("endpoints", authority=LEDGER)
        assert page["answer"]["error"].startswith("NotServableError")
        assert (page["in"], page["out"]) == (0, 1)
        assert not world.index.views

    async def test_a_large_answer_is_cut_and_says_so(self, world: World, browser: Browser) -> None:
        many = [endpoint(f"10.{n >> 8}.{n & 255}.1", hostname="h" * 63) for n in range(12_000)]
        world.apply(service("ledger"), endpoint_slice("s", "ledger", *many))
        page = await browser.read("endpoints", authority=LEDGER)
        assert (page["in"], page["cut"]) == (12_000, 11_000)
        page = await browser.read("endpoints", authority=LEDGER, limit="10000")
        assert len(page["origins"][0]["slices"][0]["endpoints"]) == 12_000 - page["cut"]
        page = await browser.read("endpoints", authority=LEDGER, limit="0")
        assert page["cut"] == 12_000


class TestTopics:
    async def test_who_follows_what(self, world: World, browser: Browser) -> None:
        world.apply(node("n1", "z1"), kind=Kind.NODE)
        world.apply(service("ledger"), pod("a", "fin", "10.4.0.1"))
        slices = [endpoint("10.4.0.1", pod="a", hostname="h0")]
        world.apply(endpoint_slice("s", "ledger", *slices))
        read, unread = world.get(LEDGER, "n1"), world.get(LEDGER, "n1")
        profiles = [
            world.profile(path, "ops") for path in (LEDGER, f"h0.{LEDGER}", "10.4.0.1:8080")
        ]
        read.read()
        page = await browser.read("topics")
        kinds = [topic["kind"] for topic in page["topics"]]
        assert kinds == ["endpoints", "instance-profile", "service-profile", "socket-profile"]
        assert page["topics"][0] == {
            "kind": "endpoints",
            "namespace": "fin",
            "service": "ledger",
            "port": 8080,
            "hostname": "",
            "node": "n1",
            "zone": "z1",
            "version": 1,
            "subscribers": 2,
            "in_step": 1,
            "behind": 1,
            "endpoints": 1,
            "origins": [
                {"cluster": "local", "namespace": "fin", "service": "ledger", "endpoints": 1}
            ],
        }
        assert (page["streams"], page["behind"], page["total"], page["cut"]) == (5, 4, 4, 0)
        assert (await browser.read("topics", limit="1"))["cut"] == 3
        assert (await browser.read("topics", service="fin/ledger"))["total"] == 3
        assert (await browser.read("topics", service="fin/other"))["total"] == 0
        for subscription in (s.subscription for s in (read, unread)):
            subscription.close()
        for profile in profiles:
            profile.subscription.close()
        assert (await browser.read("topics"))["topics"] == []


class TestProfiles:
    async def test_a_service_and_its_profiles(self, world: World, browser: Browser) -> None:
        name = f"ledger.fin.svc.{DOMAIN}"
        world.apply(service("ledger"), service_profile(name, "fin"))
        world.apply(service_profile(name, "ops", routes=[{"name": "r"}]))
        page = await browser.read("profiles", authority=LEDGER, ns="ops")
        assert page["answer"]["fully_qualified_name"] == name
        assert [(p["namespace"], p["chosen"]) for p in page["service_profiles"]] == [
            ("ops", True),
            ("fin", False),
        ]
        mine, other = (found["why"] for found in page["service_profiles"])
        assert mine.endswith("as if it were empty: spec.routes[0]: it has no condition")
        assert other.startswith("it is not looked for: another goes before")
        (found,) = (await browser.read("profiles", authority=LEDGER))["service_profiles"]
        assert found["chosen"]
        assert len(world.index.home.profiles) == 0

    async def test_which_split_counts(self, world: World, browser: Browser) -> None:
        world.apply(
            service("ledger"),
            traffic_split("new", "ledger", created="2026-02-01T00:00:00Z", a=1),
            traffic_split("old", "ledger", created="2026-01-01T00:00:00Z", b=1),
        )
        page = await browser.read("profiles", authority=LEDGER)
        found = {split["name"]: split.get("why") for split in page["traffic_splits"]}
        assert found == {"old": None, "new": "an older one goes before"}
        assert [split["chosen"] for split in page["traffic_splits"]] == [True, False]
        name = f"ledger.fin.svc.{DOMAIN}"
        world.apply(service_profile(name, dstOverrides=[{"authority": "x:1", "weight": "1"}]))
        page = await browser.read("profiles", authority=LEDGER)
        assert not any(split["chosen"] for split in page["traffic_splits"])

    async def test_who_has_an_ip(self, world: World, browser: Browser) -> None:
        world.apply(pod("a", "fin", "10.4.0.1"), pod("b", "fin", "10.4.0.1"))
        world.apply(pod("c", "fin", "10.4.0.1", deleting=True))
        world.apply(pod("d", "fin", "10.4.0.1", phase="Failed"))
        page = await browser.read("profiles", authority="10.4.0.1:8080")
        assert page["answer"]["error"].startswith("AmbiguousIpError: path: 10.4.0.1 is the IP of")
        assert {holder["name"]: holder["state"] for holder in page["holders"]} == {
            "a": "stays",
            "b": "stays",
            "c": "is about to go",
            "d": "has ended",
        }
        world.apply(pod("e", "fin", host_ip="192.0.2.8", containers=[container(x=(80, 7711))]))
        page = await browser.read("profiles", authority="192.0.2.8:7711")
        (holder,) = page["holders"]
        assert (holder["name"], holder["tier"]) == ("e", "port of the pod's node")
        assert page["answer"]["endpoint"]["metric_labels"]["pod"] == "e"

    async def test_a_pod_by_its_hostname(self, world: World, browser: Browser) -> None:
        world.apply(service("ledger"), pod("a", "fin", "10.4.0.1"))
        world.apply(endpoint_slice("s", "ledger", endpoint("10.4.0.1", pod="a", hostname="h0")))
        page = await browser.read("profiles", authority=f"h0.{LEDGER}")
        assert (page["instance"]["name"], page["instance"]["ip"]) == ("a", "10.4.0.1")
        page = await browser.read("profiles", authority=f"h1.{LEDGER}")
        assert page["answer"]["error"].startswith("NotFoundError")
        assert page["instance"]["why"] == "no slice of the service names a pod by this hostname"


class TestObjects:
    async def test_one_object(self, world: World, browser: Browser) -> None:
        world.apply(pod("a", "fin", "10.4.0.1", labels={"app": "x"}))
        page = await browser.read("objects", kind="Pod", namespace="fin", name="a")
        assert page["object"]["metadata"]["labels"]["app"] == "x"
        assert page["object"]["status"]["podIP"] == "10.4.0.1"
        assert (page["age_seconds"], page["cluster"]) == (3.2, "local")

    async def test_which_there_are(self, world: World, browser: Browser) -> None:
        world.apply(*(service(name, space) for name in "ab" for space in ("fin", "ops")))
        page = await browser.read("objects", kind="Service", namespace="fin", limit="1")
        assert page["names"] == [{"namespace": "fin", "name": "a"}]
        assert (page["total"], page["cut"]) == (4, 1)

    @pytest.mark.parametrize("kind", Kind)
    async def test_every_kind(self, browser: Browser, kind: Kind) -> None:
        assert (await browser.read("objects", kind=kind.value))["names"] == []

    async def test_a_linked_cluster(self, world: World, browser: Browser) -> None:
        north = world.cluster("north")
        north.apply(pod("a", "fin", "10.4.0.1"))
        north.link()
        page = await browser.read("objects", kind="Pod", namespace="fin", name="a", cluster="north")
        assert (page["object"]["metadata"]["name"], page["age_seconds"]) == ("a", 70)

    async def test_kinds_of_one_fact(self, world: World, browser: Browser) -> None:
        world.apply(node("n1", "z1"), kind=Kind.NODE)
        world.apply(owned("r", "fin", ("Deployment", "d")), kind=Kind.REPLICA_SET)
        page = await browser.read("objects", kind="Node", name="n1")
        assert page["object"] == {"zone": "z1"}
        page = await browser.read("objects", kind="ReplicaSet", namespace="fin", name="r")
        assert page["object"]["owner"]["name"] == "d"


async def test_the_list(browser: Browser) -> None:
    page = await browser.read("")
    assert set(page["pages"]) == {
        f"/debug/{name}" for name in ("topics", "endpoints", "profiles", "objects")
    }
    assert page["age_seconds"] == {"local": {"pods": 3.2}, "north": {"pods": 70}}


@pytest.mark.parametrize(
    ("page", "query", "status", "error"),
    [
        ("endpoints", {}, 400, "authority is missing"),
        ("endpoints", {"authority": "banana"}, 400, "not a service"),
        ("endpoints", {"authority": "10.4.0.1:80"}, 400, "an IP has a profile"),
        ("topics", {"service": "ledger"}, 400, "NAMESPACE/NAME"),
        ("topics", {"limit": "-1"}, 400, "limit"),
        ("topics", {"limit": "9" * 5000}, 400, "limit"),
        ("objects", {"kind": "Secret"}, 400, "kind: one of"),
        ("objects", {"kind": "Pod", "name": "x"}, 404, "no Pod x is known"),
        ("objects", {"kind": "Pod", "cluster": "west"}, 404, "'west' is not linked"),
    ],
)
async def test_what_cannot_be_asked(
    browser: Browser, page: str, query: dict[str, str], status: int, error: str
) -> None:
    assert error in (await browser.read(page, status, **query))["error"]
