"""A client that follows a Get stream, and connects to nothing else, while a Deployment is rolled
again and again: it never goes where nobody has been for more than a second."""

import json
import logging
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import grpc
import pytest

from linkerd.delivery.kubectl import Kubectl
from linkerd.mesh.labels import SERVICE_NAME
from tests.support.updates import Updates

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600), pytest.mark.xdist_group("demo")]

ROLLOUTS: Final = int(os.environ.get("LINKERD_TEST_ROLLOUTS", "20"))
REPLICAS: Final = 3
PORT: Final = 8080
STALE: Final = 1.0
"""Seconds after which nobody may go to an address that is gone."""
DRAIN: Final = 3
"""Seconds that a pod still serves once it was told to end, as pods behind proxies do."""
CLIENTS: Final = 4
PAUSE: Final = 0.02  # seconds between two connections of a client
PATIENCE: Final = 5.0  # seconds for a connection and its answer

_log = logging.getLogger(__name__)  # shown with --log-cli-level=INFO

SERVE: Final = f"""
echo here > /web/index.html
/bin/busybox httpd -f -p {PORT} -h /web &
trap '/bin/busybox sleep {DRAIN}; kill %1; exit 0' TERM
wait
"""


def manifests(image: str) -> list[dict[str, Any]]:
    """A Deployment whose pods are replaced in two batches, and a Service before it."""
    container = {
        "name": "web",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["/bin/busybox", "sh", "-c", SERVE],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"port": PORT, "path": "/"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "web", "mountPath": "/web"}],
    }
    pod = {
        "terminationGracePeriodSeconds": 2 * DRAIN,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "web", "emptyDir": {}}],
    }
    deployment = {
        "replicas": REPLICAS,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 2}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
    }
    service = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": PORT}]}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": deployment,
        },
    ]


class Slices:
    """What EndpointSlices say, by a watch of kubectl's, with the time of each change."""

    def __init__(self) -> None:
        self.history: list[tuple[float, frozenset[str]]] = [(time.monotonic(), frozenset())]
        self._slices: dict[str, frozenset[str]] = {}

    @property
    def ready(self) -> frozenset[str]:
        """The addresses that are ready now."""
        return self.history[-1][1]

    def gone_for(self, address: str, at: float) -> float:
        """How long `address` had not been ready at that time; 0 if it was, or never had been."""
        here, left = False, None
        for when, ready in self.history:
            if when > at:
                break
            if address in ready:
                here, left = True, None
            elif here:
                here, left = False, when
        return 0.0 if left is None else at - left

    @contextmanager
    def watching(self, kubectl: Kubectl, namespace: str) -> Iterator[None]:
        """Watches until the block ends."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        query = f"watch=true&labelSelector={SERVICE_NAME}%3Dweb"
        command = [*kubectl.command, "get", "--raw", f"{path}?{query}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
            reader = threading.Thread(target=self._read, args=(watch,))
            reader.start()
            try:
                yield
            finally:
                watch.terminate()
                reader.join()

    def _read(self, watch: subprocess.Popen[str]) -> None:
        for line in watch.stdout or ():
            event = json.loads(line)
            piece = event["object"]
            name = piece["metadata"]["name"]
            self._slices[name] = (
                frozenset() if event["type"] == "DELETED" else _ready_addresses(piece)
            )
            ready = frozenset[str]().union(*self._slices.values())
            if ready != self.ready:
                self.history.append((time.monotonic(), ready))


def _ready_addresses(piece: dict[str, Any]) -> frozenset[str]:
    return frozenset(
        f"{endpoint['addresses'][0]}:{PORT}"
        for endpoint in piece.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
    )


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection: when it was begun, where to, and what went wrong."""

    at: float
    address: str
    error: str


@dataclass
class Visitors:
    """Clients that connect to what a stream says, one address after the other."""

    addresses: Callable[[], frozenset[str]]
    visits: list[Visit] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def visiting(self) -> Iterator[None]:
        """Connects until the block ends."""
        threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._end.set()
            for thread in threads:
                thread.join()

    @property
    def visited(self) -> set[str]:
        """Where somebody has been."""
        return {visit.address for visit in list(self.visits)}

    def _run(self) -> None:
        while not self._end.wait(PAUSE):
            if addresses := sorted(self.addresses()):
                at, address = time.monotonic(), random.choice(addresses)
                self.visits.append(Visit(at, address, _visit(address)))


def _visit(address: str) -> str:
    """Connects, asks and hears; what went wrong, or nothing."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError as error:
        return str(error)
    return "" if answer.endswith(b"here\n") else f"an answer of {answer!r}"


def roll(kubectl: Kubectl, namespace: str) -> None:
    """Restarts the Deployment and waits until it is done."""
    here = f"--namespace={namespace}"
    kubectl("rollout", "restart", "deployment/web", here)
    kubectl("rollout", "status", "deployment/web", here, "--timeout=120s")


def comes_true(condition: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it does within that time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def _replaced(old: frozenset[str], now: frozenset[str]) -> bool:
    return len(now) == REPLICAS and not now & old


def test_nobody_goes_to_where_nobody_is(
    delivered: Kubectl, destination: grpc.Channel, node_namespace: str, busybox: str
) -> None:
    """LINKERD_TEST_ROLLOUTS says how often the Deployment is rolled."""
    listed = {"apiVersion": "v1", "kind": "List", "items": manifests(busybox)}
    delivered("apply", "--filename=-", f"--namespace={node_namespace}", stdin=json.dumps(listed))
    slices = Slices()
    authority = f"web.{node_namespace}.svc.cluster.local:{PORT}"
    with (
        slices.watching(delivered, node_namespace),
        Updates(destination, authority) as updates,
    ):
        updates.wait(lambda addresses: len(addresses) == REPLICAS, seconds=120)
        visitors = Visitors(lambda: updates.addresses)
        with visitors.visiting():
            for _ in range(ROLLOUTS):
                replaced = partial(_replaced, updates.addresses)
                roll(delivered, node_namespace)
                updates.wait(replaced)
                assert comes_true(lambda: updates.addresses <= visitors.visited)
        told = {address for update in updates.seen for address in update.added}
        assert comes_true(lambda: updates.addresses == slices.ready)  # kubectl may hear later

    stale = [slices.gone_for(visit.address, visit.at) for visit in visitors.visits]
    failed = [visit for visit in visitors.visits if visit.error]
    _log.info(
        "%d rollouts, %d connections, %d failed, the stalest %.0f ms, %d messages",
        ROLLOUTS, len(stale), len(failed), max(stale) * 1e3, len(updates.seen),
    )  # fmt: skip
    assert max(stale) <= STALE
    assert len(told) == REPLICAS * (ROLLOUTS + 1)
    assert visitors.visited == told
    assert not failed, failed[:5]
