"""A service that is reached through another cluster's gateway: Endpoints as a mirror controller
writes them, slices as Kubernetes makes of them, and what a proxy is told then. Ids of the
catalogue: T136 to T139, T141, T142."""

import json
from collections.abc import Iterator

import grpc
import pytest

from linkerd.delivery.kubectl import Kubectl
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy.destination_pb2_grpc import DestinationStub

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LABELS = {"mirror.linkerd.io/mirrored-service": "true", "mirror.linkerd.io/cluster-name": "north"}
FQ_NAME = "ledger.fin.svc.north.test"


def mirror(namespace: str, gateway: str, ip: str = "192.0.2.7") -> str:
    """The manifests, the gateway's port being another than the service's."""
    annotations = {
        "mirror.linkerd.io/remote-gateway-identity": gateway,
        "mirror.linkerd.io/remote-svc-fq-name": FQ_NAME,
    }
    metadata = {
        "name": "ledger-north",
        "namespace": namespace,
        "labels": LABELS,
        "annotations": {name: text for name, text in annotations.items() if text},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": [{"name": "http", "port": 9009}]},
    }
    endpoints = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": metadata,
        "subsets": [{"addresses": [{"ip": ip}], "ports": [{"name": "http", "port": 4143}]}],
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [service, endpoints]})


def adds(channel: grpc.Channel, authority: str) -> Iterator[pb.WeightedAddrSet]:
    """What is added, in turn; fails when nothing comes. The service may not be known yet."""
    while True:
        try:
            for update in DestinationStub(channel).Get(
                pb.GetDestination(path=authority), timeout=60
            ):
                if update.WhichOneof("update") == "add":
                    yield update.add
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise


def test_a_gateway_is_told_with_its_identity_and_whom_to_ask_it_for(
    delivered: Kubectl, destination: grpc.Channel, node_namespace: str
) -> None:
    namespace = node_namespace
    delivered("apply", "--filename=-", stdin=mirror(namespace, "gw.north.test"))
    heard = adds(destination, f"ledger-north.{namespace}.svc.cluster.local:9009")
    first = next(heard)
    (address,) = first.addrs
    assert address.addr.port == 4143
    assert address.tls_identity.dns_like_identity.name == "gw.north.test"
    assert not address.tls_identity.HasField("server_name")
    assert address.authority_override.authority_override == f"{FQ_NAME}:9009"
    assert address.protocol_hint.HasField("h2")
    assert dict(first.metric_labels) == {
        "namespace": namespace,
        "service": "ledger-north",
        "target_cluster": "north",
        "target_service": "ledger",
        "target_service_namespace": "fin",
    }

    delivered("apply", "--filename=-", stdin=mirror(namespace, "gw2.north.test"))
    (address,) = next(heard).addrs
    assert address.tls_identity.dns_like_identity.name == "gw2.north.test"

    delivered("apply", "--filename=-", stdin=mirror(namespace, ""))
    (address,) = next(heard).addrs
    assert (address.HasField("tls_identity"), address.HasField("protocol_hint")) == (False, False)
    assert address.authority_override.authority_override == f"{FQ_NAME}:9009"

    delivered("apply", "--filename=-", stdin=mirror(namespace, "", "192.0.2.8"))
    (address,) = next(heard).addrs
    assert address.addr.ip.ipv4 == 0xC0000208
