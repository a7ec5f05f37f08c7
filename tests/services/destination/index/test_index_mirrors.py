"""Services that stand for those behind another cluster's gateway. Ids of the catalogue: T56, T136
to T142."""

import pytest
from structlog.testing import capture_logs

from services.destination.model.http2 import Http2Params, KeepAlive
from tests.support.destination.world import World
from tests.support.objects import (
    endpoint,
    endpoint_slice,
    service,
)

PARAMS = Http2Params(keep_alive=KeepAlive(while_idle=True))
IP = "10.4.0.7"


GATEWAY = "mirror.linkerd.io/remote-gateway-identity"
FQN = "mirror.linkerd.io/remote-svc-fq-name"
CLUSTER = {"mirror.linkerd.io/cluster-name": "north"}


def mirror(annotations: dict[str, str]) -> object:
    return endpoint_slice(
        "mirror",
        "ledger",
        endpoint("192.0.2.1"),
        ports={"": 4143},
        labels=CLUSTER,
        annotations=annotations,
    )


def test_t136_t137_t139_a_mirrored_service_leads_to_its_gateway() -> None:
    world = World(PARAMS)
    world.apply(service("ledger", ports={"": 9009}))
    world.apply(mirror({GATEWAY: "gw.north.test", FQN: "ledger.fin.svc.north.test"}))
    stream = world.get("ledger.fin.svc.mesh.test:9009")
    assert stream.read() == ["add 192.0.2.1:4143"]
    said = stream.address("192.0.2.1:4143")
    assert said.tls_identity.dns_like_identity.name == "gw.north.test"
    assert not said.tls_identity.HasField("server_name")
    assert said.authority_override.authority_override == "ledger.fin.svc.north.test:9009"
    assert said.protocol_hint.WhichOneof("protocol") == "h2"
    assert not said.protocol_hint.HasField("opaque_transport")
    assert said.HasField("http2")
    assert dict(said.metric_labels) == {"zone_locality": "unknown"}
    assert stream.reader.labels == {
        "namespace": "fin",
        "service": "ledger",
        "target_cluster": "north",
        "target_service": "ledger",
        "target_service_namespace": "fin",
    }


@pytest.mark.parametrize("annotations", [{}, {GATEWAY: ""}])
def test_t56_t138_t140_a_gateway_without_identity(annotations: dict[str, str]) -> None:
    world = World(PARAMS)
    world.apply(service("ledger"), mirror(annotations))
    stream = world.get("ledger.fin.svc.mesh.test:8080")
    stream.read()
    said = stream.address("192.0.2.1:4143")
    assert {field.name for field, _ in said.ListFields()} == {"addr", "weight", "metric_labels"}


def test_t141_t142_the_gateways_identity_changes() -> None:
    world = World()
    world.apply(service("ledger"), mirror({GATEWAY: "gw.north.test"}))
    stream = world.get("ledger.fin.svc.mesh.test:8080")
    stream.read()
    world.apply(mirror({GATEWAY: "gw.north.test"}))
    assert stream.read() == []
    world.apply(mirror({GATEWAY: "other.north.test"}))
    assert stream.read() == ["add 192.0.2.1:4143"]


@pytest.mark.parametrize(("annotation", "name"), [(GATEWAY, "gw north"), (FQN, "not a name")])
def test_a_gateway_whose_name_proxies_would_ignore_is_left_out(annotation: str, name: str) -> None:
    """They would speak plain text to it, or ask it for another service."""
    world = World()
    names = {GATEWAY: "gw.north.test", FQN: "ledger.fin.svc.north.test"}
    world.apply(service("ledger", ports={"": 9009}))
    with capture_logs() as logs:
        world.apply(mirror(names | {annotation: name}))
        stream = world.get("ledger.fin.svc.mesh.test:9009")
    assert stream.read() == ["no_endpoints"]
    (said,) = logs
    assert said["error"].startswith(f"{annotation}: {name!r} is not a DNS name")
    world.apply(mirror(names))
    assert stream.read() == ["add 192.0.2.1:4143"]
