"""What a proxy is told while a real Deployment is scaled and restarted."""

import time

import grpc
import pytest

from linkerd.delivery.kubectl import Kubectl
from linkerd.stubs.proxy import destination_pb2
from linkerd.stubs.proxy.destination_pb2_grpc import DestinationStub
from tests.support.updates import Seen, Updates

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), pytest.mark.xdist_group("demo")]

BOOKS = "books.demo.svc.cluster.local:8080"
REPLICAS = 3


def scale(kubectl: Kubectl, replicas: int) -> None:
    kubectl("scale", "deployment/books", "--namespace=demo", f"--replicas={replicas}")


def ready_addresses(kubectl: Kubectl) -> frozenset[str]:
    """What Kubernetes itself says, in its EndpointSlices."""
    slices = kubectl.list("endpointslices", "demo", "kubernetes.io/service-name=books")
    return frozenset(
        f"{endpoint['addresses'][0]}:8080"
        for piece in slices
        for endpoint in piece.get("endpoints") or []
        if endpoint["conditions"]["ready"]
    )


def counted(seen: list[Seen]) -> tuple[list[str], list[str]]:
    """Every address that was added and removed, as often as it was."""
    added = sorted(address for update in seen for address in update.added)
    removed = sorted(address for update in seen for address in update.removed)
    return added, removed


def test_scaling_is_one_add_and_one_remove(delivered: Kubectl, destination: grpc.Channel) -> None:
    with Updates(destination, BOOKS) as updates:
        updates.wait(lambda addresses: len(addresses) == REPLICAS)
        before, first = updates.addresses, len(updates.seen)

        scale(delivered, REPLICAS + 1)
        updates.wait(lambda addresses: len(addresses) == REPLICAS + 1)
        (new,) = updates.addresses - before
        assert new in ready_addresses(delivered)

        scale(delivered, REPLICAS)
        scaled = time.monotonic()
        told = updates.wait(lambda addresses: len(addresses) == REPLICAS)
        assert told - scaled < 1
        (gone,) = (before | {new}) - updates.addresses

        assert updates.addresses == ready_addresses(delivered)
        assert counted(updates.seen[first:]) == ([new], [gone])
        assert len(updates.seen) == first + 2


def test_an_add_comes_within_a_second_of_readiness(
    delivered: Kubectl, destination: grpc.Channel
) -> None:
    """From the moment that kubectl can see the pod ready; the pod's own start is not ours."""
    with Updates(destination, BOOKS) as updates:
        updates.wait(lambda addresses: len(addresses) == REPLICAS)
        scale(delivered, REPLICAS + 1)
        try:
            delivered(
                "wait", "--namespace=demo", "deployment/books", "--timeout=60s",
                f"--for=jsonpath={{.status.readyReplicas}}={REPLICAS + 1}",
            )  # fmt: skip
            ready = time.monotonic()
            told = updates.wait(lambda addresses: len(addresses) == REPLICAS + 1)
            assert told - ready < 1
        finally:
            scale(delivered, REPLICAS)
            updates.wait(lambda addresses: len(addresses) == REPLICAS)


def test_a_rolling_restart_is_no_more_than_it_takes(
    delivered: Kubectl, destination: grpc.Channel
) -> None:
    """Each new pod is added once, each old one removed once, and there is always somebody."""
    with Updates(destination, BOOKS) as updates:
        updates.wait(lambda addresses: len(addresses) == REPLICAS)
        old, first = updates.addresses, len(updates.seen)
        delivered("rollout", "restart", "--namespace=demo", "deployment/books")
        delivered("rollout", "status", "--namespace=demo", "deployment/books", "--timeout=90s")
        updates.wait(lambda addresses: len(addresses) == REPLICAS and not addresses & old)
        added, removed = counted(updates.seen[first:])
        assert added == sorted(updates.addresses)
        assert removed == sorted(old)
        assert len(updates.seen) - first <= 2 * REPLICAS
        serving = set(old)
        for update in updates.seen[first:]:
            serving = (serving | update.added) - update.removed
            assert len(serving) >= REPLICAS


def test_opaque_ports_come_from_the_annotation(destination: grpc.Channel) -> None:
    stub = DestinationStub(destination)
    request = destination_pb2.GetDestination(
        scheme="k8s", path="prices.demo.svc.cluster.local:7000"
    )
    call = stub.GetProfile(request, timeout=10)
    profile = next(iter(call))
    call.cancel()
    assert profile.opaque_protocol
    assert profile.fully_qualified_name == "prices.demo.svc.cluster.local"


def test_a_service_that_does_not_exist_is_not_found(destination: grpc.Channel) -> None:
    request = destination_pb2.GetDestination(scheme="k8s", path="none.demo.svc.cluster.local:80")
    with pytest.raises(grpc.RpcError) as refused:
        next(iter(DestinationStub(destination).Get(request, timeout=10)))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
