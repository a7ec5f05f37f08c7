"""The program against a real API server: what is written there is what proxies hear. Ids of the
catalogue: T3, T23, T26, T28, T199 to T201."""

import time
from typing import Any

import pytest

from linkerd.stubs.proxy import destination_pb2 as pb
from tests.support.destination.program import Client, Objects, known
from tests.support.eventually import eventually
from tests.support.program import Program

pytestmark = pytest.mark.integration

SOON = 1.0
"""Seconds within which a change must be heard."""


class TestEndpoints:
    async def test_t3_a_change_is_one_message_within_a_second(
        self, client: Client, objects: Objects
    ) -> None:
        stream = client.get(await known(client, objects.ledger("10.4.0.7")))
        await stream.until("10.4.0.7")
        assert len(stream.messages) == 1
        (address,) = stream.messages[0][1].add.addrs
        assert address.protocol_hint.opaque_transport.inbound_port == 4143
        assert address.tls_identity.server_name.name == (
            f"default.{objects.namespace}.serviceaccount.identity.linkerd.cluster.local"
        )

        objects.pod("p8", "10.4.0.8")
        began = time.monotonic()
        objects.slice("ledger-1", "ledger", ["10.4.0.7", "10.4.0.8"])
        await stream.until("10.4.0.7", "10.4.0.8")
        came, update = stream.messages[1]
        assert [item.metric_labels["pod"] for item in update.add.addrs] == ["p8"]
        assert came - began < SOON

        began = time.monotonic()
        objects.slice("ledger-1", "ledger", ["10.4.0.8"])
        await stream.until("10.4.0.8")
        came, update = stream.messages[2]
        assert update.WhichOneof("update") == "remove"
        assert came - began < SOON
        assert len(stream.messages) == 3

    async def test_t200_others_hear_nothing(self, client: Client, objects: Objects) -> None:
        mine = client.get(await known(client, objects.ledger("10.4.0.7")))
        await mine.until("10.4.0.7")
        objects.service("other")
        authority = await known(client, f"other.{objects.namespace}.svc.cluster.local:8080")
        other = client.get(authority)
        for number in range(20):
            ips = [f"10.4.1.{last}" for last in range(1, 2 + number % 3)]
            objects.slice("other-1", "other", ips, ports=[{"name": "http", "port": 8080}])
            objects.slice("ledger-1", "ledger", ["10.4.0.7"])  # the same again
        objects.slice("bare", "other", [])
        objects.pod("p1", "10.4.1.1")
        await other.until("10.4.1.1")
        assert len(mine.messages) == 1

    async def test_t199_a_rollout_ends_with_what_the_slices_hold(
        self, client: Client, objects: Objects
    ) -> None:
        """Three pods are replaced one by one, as a Deployment's controllers do it."""
        old, new = ([f"10.4.{n}.{last}" for last in (1, 2, 3)] for n in (2, 3))
        stream = client.get(await known(client, objects.ledger(*old)))
        await stream.until(*old)
        for number in range(3):
            objects.pod(f"new-{number}", new[number])
            objects.slice("ledger-1", "ledger", [*old[number:], *new[: number + 1]])
            objects.slice("ledger-1", "ledger", [*old[number + 1 :], *new[: number + 1]])
        await stream.until(*new)
        assert stream.code is None

    async def test_t201_zone_hints(self, client: Client, objects: Objects) -> None:
        authority = objects.ledger("10.4.0.7", "10.4.0.8")
        zones = {"10.4.0.7": "z1", "10.4.0.8": "z2"}
        objects.slice("ledger-1", "ledger", list(zones), zones=zones)
        node = f"{objects.namespace}-n1"
        labels = {"topology.kubernetes.io/zone": "z1"}
        manifest = {"metadata": {"name": node, "labels": labels}}
        objects.api.request("POST", "/api/v1/nodes", manifest)
        try:
            anywhere = client.get(await known(client, authority))
            await anywhere.until("10.4.0.7", "10.4.0.8")
            near = client.get(authority, node=node)
            await near.until("10.4.0.7")
        finally:
            objects.api.request("DELETE", f"/api/v1/nodes/{node}")

    async def test_malformed_objects_are_reported_once_and_disturb_nobody(
        self, program: Program, client: Client, objects: Objects
    ) -> None:
        authority = await known(client, objects.ledger("10.4.0.7"))
        odd = {"config.linkerd.io/opaque-ports": "banana"}
        objects.pod("p9", "", annotations=odd)
        objects.slice("no-ports", "ledger", ["10.4.0.7"], ports=[])
        objects.slice("ledger-2", "ledger", ["10.4.0.9"])
        stream = client.get(authority)
        await stream.until("10.4.0.7", "10.4.0.9")
        objects.pod_status("p9", "10.4.0.9", "Running")
        for number in range(3):  # nothing that matters about these objects changes
            objects.slice("ledger-2", "ledger", ["10.4.0.9"], ports=[http(number)])
        objects.slice("no-ports", "ledger", [], ports=[])
        objects.slice("ledger-1", "ledger", [])
        await stream.until("10.4.0.9")
        said = [
            (entry["name"], entry["error"])
            for entry in program.entries
            if entry["event"] == "object is malformed" and entry["namespace"] == objects.namespace
        ]
        assert sorted(name for name, _ in said) == ["no-ports", "p9"]

    async def test_a_service_without_endpoints_and_none(
        self, client: Client, objects: Objects
    ) -> None:
        objects.service("empty")
        authority = await known(client, f"empty.{objects.namespace}.svc.cluster.local:8080")
        stream = client.get(authority)
        await eventually(lambda: stream.messages, "the first message")
        assert stream.messages[0][1].no_endpoints.exists


def http(number: int) -> dict[str, Any]:
    return {"name": "http", "port": 8080, "appProtocol": f"x{number}"}


class TestProfiles:
    async def test_t23_a_service_by_its_ip(self, client: Client, objects: Objects) -> None:
        made = objects.service("ledger")
        await known(client, f"ledger.{objects.namespace}.svc.cluster.local:8080")
        profile = await anext(client.profiles(f"{made['spec']['clusterIP']}:8080"))
        assert profile.fully_qualified_name == f"ledger.{objects.namespace}.svc.cluster.local"
        undeclared = await anext(client.profiles(f"{made['spec']['clusterIP']}:9"))
        assert undeclared == pb.DestinationProfile()

    async def test_t26_t28_a_pod_that_starts_and_goes(
        self, client: Client, objects: Objects
    ) -> None:
        objects.pod("p20", "10.4.9.20", phase="Pending")
        profiles = client.profiles("10.4.9.20:5000")
        first = await anext(profiles)
        if not first.HasField("endpoint"):  # the pod was not known yet
            first = await anext(profiles)
        assert not first.endpoint.HasField("tls_identity")
        objects.pod_status("p20", "10.4.9.20", "Running")
        running = await anext(profiles)
        assert running.endpoint.metric_labels["pod"] == "p20"
        assert running.endpoint.HasField("tls_identity")
        path = f"/api/v1/namespaces/{objects.namespace}/pods/p20?gracePeriodSeconds=0"
        objects.api.request("DELETE", path)
        assert not (await anext(profiles)).HasField("endpoint")

    async def test_ports_of_a_node_that_pods_share_by_protocol(
        self, client: Client, objects: Objects
    ) -> None:
        """Kubernetes lets pods of one node have one number, by protocol or by address."""
        node = "192.0.2.53"
        for name, last, port in (
            ("tcp", 61, {"protocol": "TCP"}),
            ("udp", 62, {"protocol": "UDP"}),
            ("local", 63, {"protocol": "TCP", "hostIP": "127.0.0.1"}),
        ):
            ports = [{"containerPort": 5353, "hostPort": 53, **port}]
            objects.pod(name, f"10.4.9.{last}", ports=ports, node_ip=node)
        profiles = client.profiles(f"{node}:53")
        while not (told := await anext(profiles)).HasField("endpoint"):
            pass  # no pod was known yet
        assert told.endpoint.metric_labels["pod"] == "tcp"
        assert told.endpoint.addr.port == 53
