"""What is written into statuses, and when. Ids of the catalogue: S1 to S22, but for those that need
a Lease."""

from typing import Any

import pytest

from linkerd.kube.objects import Key
from services.policy.index.kinds import Kind
from tests.support.policy.objects import POLICY
from tests.support.policy.status_model import CONTROLLER, NETWORKS, Document
from tests.support.policy.status_writer import READ, Desk

TRUE, FALSE = "True", "False"
ACCEPTED = {"Accepted": (TRUE, "Accepted")}
RESOLVED = {"ResolvedRefs": (TRUE, "ResolvedRefs")}
MISSING = {"Accepted": (FALSE, "NoMatchingParent")}
CONFLICTED = {"Accepted": (FALSE, "RouteReasonConflicted")}
HTTP, GRPC, TLS, TCP = Kind.GATEWAY_HTTP_ROUTE, Kind.GRPC_ROUTE, Kind.TLS_ROUTE, Kind.TCP_ROUTE
SERVICE = {"clusterIP": "10.96.0.1"}
SERVER = {"podSelector": {}, "port": 80}


def egress(networks: str = "all") -> Document:
    blocks = NETWORKS[networks][0]
    return {"trafficPolicy": "Deny", **({} if blocks is None else {"networks": blocks})}


def ref(kind: str, name: str = "pear", port: int | None = None, **more: Any) -> Document:
    group = "" if kind == "Service" else POLICY
    at = {"port": port} if port else {}
    return {"group": group, "kind": kind, "name": name, **at, **more}


def route(*parents: Document, to: Any = ()) -> Document:
    backends = [{"backendRefs": [{"port": 80, **each} for each in to]}] if to else [{}]
    return {"parentRefs": list(parents), "rules": backends}


def entry(controller: str, **more: Any) -> Document:
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        **more,
    }
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front"}
    return {"parentRef": parent, "controllerName": controller, "conditions": [condition]}


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestParents:
    async def test_s01_a_server_that_is_there(self, desk: Desk) -> None:
        desk.put(Kind.SERVER, "pear", SERVER)
        desk.put(Kind.HTTP_ROUTE, "r", route(ref("Server")))
        await desk.settled()
        assert desk.at(Kind.HTTP_ROUTE, "r") == {"Server/pear": ACCEPTED}
        (written,) = desk.status(Kind.HTTP_ROUTE, "r")["parents"]
        assert written["parentRef"] == {
            "group": POLICY, "kind": "Server", "namespace": "fin", "name": "pear",
        }  # fmt: skip
        assert written["conditions"][0]["message"] == ""
        assert "observedGeneration" not in written["conditions"][0]

    async def test_s02_a_server_comes_and_goes(self, desk: Desk) -> None:
        desk.put(HTTP, "r", route(ref("Server")))
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Server/pear": MISSING}
        desk.put(Kind.SERVER, "pear", SERVER)
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Server/pear": ACCEPTED}
        desk.remove(Kind.SERVER, "pear")
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Server/pear": MISSING}

    async def test_a_server_that_means_nothing_is_none(self, desk: Desk) -> None:
        desk.put(Kind.SERVER, "pear", {**SERVER, "port": 0})
        desk.put(HTTP, "r", route(ref("Server")))
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Server/pear": MISSING}

    async def test_s03_a_service_without_backends(self, desk: Desk) -> None:
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(HTTP, "r", route(ref("Service", port=80)))
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Service/pear:80": ACCEPTED | RESOLVED}
        (written,) = desk.status(HTTP, "r")["parents"]
        assert written["parentRef"] == {
            "group": "core", "kind": "Service", "namespace": "fin", "name": "pear", "port": 80,
        }  # fmt: skip

    @pytest.mark.parametrize(
        "spec", [{"clusterIP": "None"}, {"type": "ExternalName", "externalName": "a.test"}]
    )
    async def test_s06_a_service_without_an_ip(self, desk: Desk, spec: Document) -> None:
        desk.put(Kind.SERVICE, "pear", spec)
        desk.put(HTTP, "r", route(ref("Service")))
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Service/pear": MISSING | RESOLVED}
        (written,) = desk.status(HTTP, "r")["parents"]
        assert "ClusterIP" in written["conditions"][0]["message"]

    async def test_s07_an_egress_network(self, desk: Desk) -> None:
        desk.put(HTTP, "r", route(ref("EgressNetwork", port=80)))
        await desk.settled()
        at = "EgressNetwork/pear:80"
        assert desk.at(HTTP, "r") == {at: MISSING | RESOLVED}
        assert desk.status(HTTP, "r")["parents"][0]["conditions"][0]["message"] == ""
        desk.put(Kind.EGRESS_NETWORK, "pear", egress("inside"))
        await desk.settled()
        assert desk.at(HTTP, "r") == {at: MISSING | RESOLVED}
        assert "not accepted" in desk.status(HTTP, "r")["parents"][0]["conditions"][0]["message"]
        desk.put(Kind.EGRESS_NETWORK, "pear", egress("outside"))
        await desk.settled()
        assert desk.at(HTTP, "r") == {at: ACCEPTED | RESOLVED}

    async def test_s14_each_parent_has_a_verdict_of_its_own(self, desk: Desk) -> None:
        desk.put(Kind.SERVICE, "pear", SERVICE)
        parents = ref("Service"), ref("Service", "fig"), ref("Server"), ref("Gateway", "front")
        desk.put(HTTP, "r", route(*parents, ref("Service", port=70_000)))
        await desk.settled()
        assert desk.at(HTTP, "r") == {
            "Service/pear": ACCEPTED | RESOLVED,
            "Service/fig": MISSING | RESOLVED,
            "Server/pear": MISSING,
        }

    async def test_one_parent_named_in_several_ways_is_one(self, desk: Desk) -> None:
        desk.put(Kind.SERVICE, "pear", SERVICE)
        again = ref("Service", group="core", namespace="fin", sectionName="http")
        desk.put(HTTP, "r", route(ref("Service"), again))
        await desk.settled()
        assert len(desk.status(HTTP, "r")["parents"]) == 1

    async def test_s15_parents_that_are_taken_away(self, desk: Desk) -> None:
        desk.put(HTTP, "r", route(ref("Server")))
        await desk.settled()
        desk.put(HTTP, "r", route())
        await desk.settled()
        assert desk.status(HTTP, "r") == {"parents": []}

    @pytest.mark.parametrize("kind", [Kind.HTTP_ROUTE, HTTP])
    async def test_a_route_that_means_nothing_is_refused(self, desk: Desk, kind: Kind) -> None:
        """It says so, and not that it is in force."""
        desk.put(Kind.SERVER, "pear", SERVER)
        spec = route(ref("Server"))
        spec["rules"] = [{"matches": [{"path": {"value": "a"}}]}]
        desk.put(kind, "r", spec)
        await desk.settled()
        assert desk.at(kind, "r") == {"Server/pear": {"Accepted": (FALSE, "UnsupportedValue")}}
        message = desk.status(kind, "r")["parents"][0]["conditions"][0]["message"]
        assert message.startswith("spec.rules[0].matches[0].path.value: ")

    async def test_a_filter_that_no_proxy_has_is_refused(self, desk: Desk) -> None:
        desk.put(Kind.SERVER, "pear", SERVER)
        spec = route(ref("Server"))
        spec["rules"] = [{"filters": [{"type": "RequestMirror"}]}]
        desk.put(HTTP, "r", spec)
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Server/pear": {"Accepted": (FALSE, "IncompatibleFilters")}}

    async def test_bad_annotations_matter_to_those_that_clients_call(self, desk: Desk) -> None:
        desk.put(Kind.SERVER, "pear", SERVER)
        desk.put(Kind.SERVICE, "pear", SERVICE)
        annotations = {"retry.linkerd.io/http": "often"}
        desk.put(HTTP, "r", route(ref("Server"), ref("Service")), annotations=annotations)
        await desk.settled()
        assert desk.at(HTTP, "r") == {
            "Server/pear": ACCEPTED,
            "Service/pear": {"Accepted": (FALSE, "UnsupportedValue")} | RESOLVED,
        }


class TestBackends:
    @pytest.mark.parametrize(
        ("backend", "verdict"),
        [
            (ref("Service", "fig"), (TRUE, "ResolvedRefs")),
            (ref("Service", "fig", namespace="ops"), (FALSE, "BackendNotFound")),
            (ref("Service", "plum"), (FALSE, "BackendNotFound")),
            ({"group": "", "kind": "Bogus", "name": "fig"}, (FALSE, "InvalidKind")),
        ],
    )
    async def test_s04_a_backend(
        self, desk: Desk, backend: Document, verdict: tuple[str, str]
    ) -> None:
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(Kind.SERVICE, "fig", {"clusterIP": "None"})
        desk.put(HTTP, "r", route(ref("Service"), to=[backend]))
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Service/pear": ACCEPTED | {"ResolvedRefs": verdict}}

    async def test_s05_the_first_that_is_missing_says_why(self, desk: Desk) -> None:
        desk.put(Kind.SERVICE, "pear", SERVICE)
        bogus = {"group": "", "kind": "Bogus", "name": "fig"}
        to = [ref("Service"), ref("Service", "plum"), bogus]
        desk.put(HTTP, "r", route(ref("Service"), to=to))
        await desk.settled()
        assert desk.at(HTTP, "r")["Service/pear"]["ResolvedRefs"] == (FALSE, "BackendNotFound")
        desk.put(Kind.SERVICE, "plum", SERVICE)
        await desk.settled()
        assert desk.at(HTTP, "r")["Service/pear"]["ResolvedRefs"] == (FALSE, "InvalidKind")

    async def test_s08_an_egress_network_as_backend(self, desk: Desk) -> None:
        for name in ("pear", "fig"):
            desk.put(Kind.EGRESS_NETWORK, name, egress())
        desk.put(Kind.SERVICE, "pear", SERVICE)
        parents = ref("EgressNetwork", port=80), ref("EgressNetwork", "fig", 80), ref("Service")
        desk.put(HTTP, "r", route(*parents, to=[ref("EgressNetwork")]))
        await desk.settled()
        found = {at: each["ResolvedRefs"] for at, each in desk.at(HTTP, "r").items()}
        assert found == {
            "EgressNetwork/pear:80": (TRUE, "ResolvedRefs"),
            "EgressNetwork/fig:80": (FALSE, "InvalidKind"),
            "Service/pear": (FALSE, "InvalidKind"),
        }
        desk.put(HTTP, "s", route(ref("EgressNetwork", port=80), to=[ref("EgressNetwork", "x")]))
        await desk.settled()
        assert desk.at(HTTP, "s")["EgressNetwork/pear:80"]["ResolvedRefs"] == (
            FALSE, "BackendNotFound",
        )  # fmt: skip


class TestConflicts:
    @pytest.mark.parametrize("parent", ["Service", "EgressNetwork", "Server"])
    @pytest.mark.parametrize(
        ("first", "second"),
        [(GRPC, HTTP), (GRPC, Kind.HTTP_ROUTE), (HTTP, TLS), (TLS, TCP), (GRPC, TCP), (HTTP, TCP)],
    )
    async def test_s09_s10_s13_the_kind_that_comes_first_has_the_parent(
        self, desk: Desk, parent: str, first: Kind, second: Kind
    ) -> None:
        """Whichever came first, and also from another namespace."""
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(Kind.SERVER, "pear", SERVER)
        desk.put(Kind.EGRESS_NETWORK, "pear", egress())
        reference = ref(parent, port=80, namespace="fin")
        at = "Server/pear" if parent == "Server" else f"{parent}/pear:80"
        desk.put(second, "second", route(reference))
        await desk.settled()
        assert desk.at(second, "second")[at]["Accepted"] == (TRUE, "Accepted")
        desk.put(first, "first", route(reference), namespace="ops")
        await desk.settled()
        assert desk.at(second, "second")[at]["Accepted"] == (FALSE, "RouteReasonConflicted")
        written = desk.store.objects[first.value, Key("ops", "first")]["status"]["parents"]
        assert written[0]["conditions"][0]["reason"] == "Accepted"

    async def test_s11_another_port_is_no_conflict(self, desk: Desk) -> None:
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(GRPC, "g", route(ref("Service", port=80)))
        desk.put(HTTP, "h", route(ref("Service")))
        desk.put(Kind.HTTP_ROUTE, "h", route(ref("Service")))
        await desk.settled()
        for kind in (HTTP, Kind.HTTP_ROUTE):
            assert desk.at(kind, "h") == {"Service/pear": ACCEPTED | RESOLVED}

    @pytest.mark.parametrize("parent", ["Service", "EgressNetwork"])
    async def test_s12_a_rival_goes(self, desk: Desk, parent: str) -> None:
        """At once: nothing but its deletion need happen."""
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(Kind.EGRESS_NETWORK, "pear", egress())
        at = f"{parent}/pear:80"
        desk.put(GRPC, "g", route(ref(parent, port=80)))
        desk.put(HTTP, "h", route(ref(parent, port=80)))
        desk.put(TCP, "t", route(ref(parent, port=80)))
        await desk.settled()
        assert desk.at(HTTP, "h")[at] == CONFLICTED | RESOLVED
        now = desk.clock.monotonic()
        desk.remove(GRPC, "g")
        await desk.settled()
        assert desk.clock.monotonic() == now
        assert desk.at(HTTP, "h")[at] == ACCEPTED | RESOLVED
        assert desk.at(TCP, "t")[at] == CONFLICTED | RESOLVED


class TestOthers:
    async def test_s16_what_others_wrote_stays(self, desk: Desk) -> None:
        desk.put(HTTP, "r", route(ref("Server")))
        theirs = [entry("example.test/a", observedGeneration=3), entry("example.test/b")]
        desk.overwrite(HTTP, "r", {"parents": [theirs[0], entry(CONTROLLER), theirs[1]]})
        await desk.settled()
        assert desk.at(HTTP, "r") == {"Server/pear": MISSING}
        assert desk.status(HTTP, "r")["parents"][:2] == theirs

    async def test_no_fight_with_another_controller(self, desk: Desk) -> None:
        """It sorts the entries as it likes, and renews the time of its own again and again."""
        desk.put(HTTP, "r", route(ref("Server"), ref("Service")))
        desk.overwrite(HTTP, "r", {"parents": [entry("example.test/a")]})
        await desk.settled()
        writes = desk.writes
        for hour in range(30):
            parents = desk.status(HTTP, "r")["parents"]
            parents = [each for each in parents if each["controllerName"] == CONTROLLER]
            for each in parents:
                each["conditions"].reverse()
            renewed = entry("example.test/a", lastTransitionTime=f"2026-02-{hour + 1:02}T00:00:00Z")
            desk.overwrite(HTTP, "r", {"parents": [*reversed(parents), renewed]})
            await desk.settled()
        assert desk.writes == writes

    async def test_s17_what_is_overwritten_is_written_again(self, desk: Desk) -> None:
        desk.put(HTTP, "r", route(ref("Server")))
        await desk.settled()
        began = desk.clock.monotonic()
        harms: list[Document] = [{"parents": []}, {"parents": [entry(CONTROLLER)]}]
        for harm in harms:
            desk.overwrite(HTTP, "r", harm)
            await desk.settled()
            assert desk.at(HTTP, "r") == {"Server/pear": MISSING}
        assert desk.clock.monotonic() - began < 10

    async def test_s18_nothing_is_written_when_nothing_changes(self, desk: Desk) -> None:
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(Kind.EGRESS_NETWORK, "pear", egress())
        desk.put(Kind.RATE_LIMIT_POLICY, "l", {"targetRef": ref("Server")})
        desk.put(HTTP, "r", route(ref("Service")))
        await desk.settled()
        writes = desk.writes
        assert writes == 3
        desk.put(Kind.SERVICE, "pear", {**SERVICE, "ports": [{"port": 1}]}, labels={"new": "yes"})
        desk.put(HTTP, "r", route(ref("Service")), labels={"new": "yes"})
        await desk.settled()
        await desk.replica.lose()
        await desk.settled()
        assert desk.writes == writes
        assert desk.store.pointless == 0

    async def test_a_condition_keeps_its_time_while_its_status_stays(self, desk: Desk) -> None:
        def times() -> list[str]:
            (written,) = desk.status(HTTP, "r")["parents"]
            return [each["lastTransitionTime"] for each in written["conditions"]]

        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(HTTP, "r", route(ref("Service"), to=[ref("Service")]))
        await desk.settled()
        assert times() == ["2030-01-01T00:00:00Z"] * 2
        await desk.clock.advance(60)
        desk.put(HTTP, "r", route(ref("Service"), to=[ref("Service", "plum")]))
        await desk.settled()
        assert times() == ["2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"]

    async def test_no_more_entries_than_the_schema_admits(self, desk: Desk) -> None:
        theirs = [entry(f"example.test/{n}") for n in range(3)]
        desk.put(HTTP, "r", route(*(ref("Server", f"s{n}") for n in range(32))))
        desk.overwrite(HTTP, "r", {"parents": theirs})
        await desk.settled()
        assert len(desk.status(HTTP, "r")["parents"]) == 32
        assert desk.status(HTTP, "r")["parents"][:3] == theirs

    async def test_what_is_gone_gets_no_patch(self, desk: Desk) -> None:
        """It waits in the queue when it goes."""
        await desk.settled()
        for number in range(20):
            desk.put(HTTP, f"r{number}", route(ref("Server")))
        desk.replica.deliver()
        for number in range(20):
            desk.remove(HTTP, f"r{number}")
        desk.replica.deliver()
        await desk.settled()
        assert (desk.writes, desk.store.conflicts) == (0, 0)

    async def test_many_routes_at_once_cost_a_patch_each(self, desk: Desk) -> None:
        """Though each is seen while others still wait, and all of them are rivals."""
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(GRPC, "g", route(ref("Service")))
        await desk.settled()
        for number in range(200):
            desk.put(HTTP, f"r{number}", route(ref("Service"), to=[ref("Service", "plum")]))
        await desk.settled()
        assert desk.writes == 201
        desk.put(Kind.SERVICE, "plum", SERVICE)
        await desk.settled()
        assert desk.writes == 401


class TestCost:
    @pytest.mark.parametrize("others", [10, 100])
    async def test_only_those_are_looked_at_whom_a_change_concerns(
        self, desk: Desk, others: int
    ) -> None:
        """However many routes there are, each at a parent of its own."""
        for name in ("pear", "fig"):
            desk.put(Kind.SERVICE, name, SERVICE)
            desk.put(HTTP, f"to-{name}", route(ref("Service", "fig"), to=[ref("Service", name)]))
        desk.put(TLS, "rival", route(ref("Service", "pear")))
        for number in range(others):
            desk.put(Kind.SERVICE, f"s{number}", SERVICE)
            desk.put(HTTP, f"r{number}", route(ref("Service", f"s{number}")))
        await desk.settled()

        async def looks() -> int:
            before = desk.replica.value("resource_status_patch_enqueues_total")
            await desk.settled()
            return int(desk.replica.value("resource_status_patch_enqueues_total") - before)

        desk.put(Kind.SERVICE, "pear", {**SERVICE, "ports": [{"port": 81}]})
        assert await looks() == 0
        desk.remove(Kind.SERVICE, "pear")
        assert await looks() == 2  # its backend's route and its own
        desk.put(GRPC, "first", route(ref("Service", "pear")))
        assert await looks() == 2  # itself and its rival
        desk.remove(GRPC, "first")
        assert await looks() == 2
        desk.put(Kind.SERVER, "pear", SERVER)
        assert await looks() == 0


class TestPolicies:
    @pytest.mark.parametrize("networks", list(NETWORKS))
    async def test_s19_an_egress_network(self, desk: Desk, networks: str) -> None:
        desk.put(Kind.EGRESS_NETWORK, "pear", egress(networks))
        await desk.settled()
        fine = NETWORKS[networks][1]
        assert desk.of(Kind.EGRESS_NETWORK, "pear") == (
            ACCEPTED if fine else {"Accepted": (FALSE, "EgressReasonNetworkOverlap")}
        )
        (condition,) = desk.status(Kind.EGRESS_NETWORK, "pear")["conditions"]
        assert ("clusterNetworks" in condition["message"]) is not fine

    async def test_s19_conditions_of_other_types_stay(self, desk: Desk) -> None:
        other = {"type": "Audited", "status": "Unknown", "message": ""}
        desk.put(Kind.EGRESS_NETWORK, "pear", egress())
        desk.overwrite(Kind.EGRESS_NETWORK, "pear", {"conditions": [other]})
        await desk.settled()
        assert desk.of(Kind.EGRESS_NETWORK, "pear").keys() == {"Audited", "Accepted"}
        assert desk.status(Kind.EGRESS_NETWORK, "pear")["conditions"][0] == other

    async def test_s20_rate_limits(self, desk: Desk) -> None:
        def put(name: str, created: str, **more: Any) -> None:
            spec = {"targetRef": ref("Server"), "total": {"requestsPerSecond": 1}}
            desk.put(Kind.RATE_LIMIT_POLICY, name, spec, creationTimestamp=created, **more)

        def found() -> list[tuple[str, str]]:
            return [desk.of(Kind.RATE_LIMIT_POLICY, name)["Accepted"] for name in "abc"]

        taken, rival = (TRUE, "Accepted"), (FALSE, "RateLimitReasonAlreadyExists")
        put("a", "2026-01-02T00:00:00Z")
        put("b", "2026-01-01T00:00:00Z")
        put("c", "2026-01-01T00:00:00Z")
        put("a", "2025-01-01T00:00:00Z", namespace="ops")
        await desk.settled()
        assert found() == [(FALSE, "NoMatchingTarget")] * 3
        desk.put(Kind.SERVER, "pear", SERVER)
        await desk.settled()
        assert found() == [rival, taken, rival]
        assert desk.status(Kind.RATE_LIMIT_POLICY, "a")["targetRef"] == ref("Server")
        desk.remove(Kind.RATE_LIMIT_POLICY, "b")
        await desk.settled()
        assert [desk.of(Kind.RATE_LIMIT_POLICY, name)["Accepted"] for name in "ac"] == [
            rival, taken,
        ]  # fmt: skip

    async def test_a_rate_limit_of_another_target(self, desk: Desk) -> None:
        target = {"group": "", "kind": "Service", "name": "pear"}
        desk.put(Kind.SERVICE, "pear", SERVICE)
        desk.put(Kind.RATE_LIMIT_POLICY, "a", {"targetRef": target})
        await desk.settled()
        assert desk.of(Kind.RATE_LIMIT_POLICY, "a")["Accepted"] == (FALSE, "NoMatchingTarget")
        assert desk.status(Kind.RATE_LIMIT_POLICY, "a")["targetRef"] == target


class TestLeadership:
    async def test_s21_who_does_not_lead_writes_nothing(self, desk: Desk) -> None:
        desk.put(HTTP, "r", route(ref("Server")))
        await desk.replica.rest()
        desk.put(Kind.SERVER, "pear", SERVER)
        await desk.replica.rest()
        assert desk.writes == 0
        assert desk.replica.value("resource_status_patch_enqueues_total") == 0

    async def test_s22_a_new_leader_looks_at_everything(self, desk: Desk) -> None:
        for number in range(10):
            desk.put(HTTP, f"r{number}", route(ref("Server")))
        desk.put(Kind.EGRESS_NETWORK, "pear", egress())
        desk.put(Kind.RATE_LIMIT_POLICY, "l", {"targetRef": ref("Server")})
        await desk.replica.rest()
        await desk.settled()
        assert desk.writes == 12
        await desk.replica.lose()
        desk.overwrite(HTTP, "r3", {"parents": []})
        await desk.replica.rest()
        assert desk.writes == 12
        await desk.settled()
        assert desk.writes == 13

    async def test_what_is_counted(self, desk: Desk) -> None:
        await desk.settled()
        desk.store.faults.extend(["error", "stalled"])
        desk.put(HTTP, "r", route(ref("Server")))
        await desk.settled()
        names = ("patches", "patch_api_errors", "patch_timeouts", "patch_enqueues")
        counted = [desk.replica.value(f"resource_status_{name}_total") for name in names]
        assert counted == [1, 1, 1, 3]
        assert desk.replica.value("resource_status_patch_duration_seconds_count") == 3
        assert desk.replica.value("resource_status_patch_dequeues_total") == 3
        assert desk.replica.value("resource_status_patch_enqueue_overflows_total") == 0
        assert not desk.store.of(READ[Kind.SERVER])

    async def test_what_waits_when_leadership_is_lost_is_dropped(self, desk: Desk) -> None:
        await desk.settled()
        for number in range(5):
            desk.put(HTTP, f"r{number}", route(ref("Server")))
        desk.replica.deliver()
        await desk.replica.lose()
        assert desk.replica.value("resource_status_patch_drops_total") == 5
