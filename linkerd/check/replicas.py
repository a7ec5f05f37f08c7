"""What the running identity service has loaded, by its metrics, which are read through the API
server's proxy to pods.

Gauges say how many seconds are left, so two clocks are in the answer. That of the pod is told by an
anchor whose end is known: a machine whose clock is wrong still gets the right answer.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from linkerd.check.cluster import Cluster, Object
from linkerd.kube.errors import KubeError
from linkerd.mesh.control_plane import SERVICE_ADMIN_PORT
from linkerd.mesh.labels import CONTROL_PLANE_COMPONENT
from linkerd.trust.describe import fingerprint, stamp
from linkerd.trust.paths import Trust

_ISSUER: Final = "issuer_cert_ttl_seconds"
_ANCHOR: Final = "trust_anchor_cert_ttl_seconds"
_TOLERANCE: Final = timedelta(seconds=5)
"""Certificates end on whole seconds, and an answer takes some time."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A pod of identity; `difference` says what it has not loaded yet, None when all is."""

    pod: str
    difference: str | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """Seconds left of the issuer and of each anchor (by SHA-256), as a pod says at `asked`."""

    issuer: float | None
    anchors: dict[str, float]
    asked: datetime


async def replicas(cluster: Cluster, trust: Trust, now: datetime) -> list[Replica]:
    """Every pod of identity that is not on its way out. Raises KubeError when pods cannot be
    listed; a pod that does not answer is a difference."""
    selector = f"{CONTROL_PLANE_COMPONENT}=identity"
    listed = [pod async for pod in cluster.pods(cluster.namespace, selector)]
    pods = [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]
    return list(await asyncio.gather(*(_replica(cluster, pod, trust, now) for pod in pods)))


async def _replica(cluster: Cluster, pod: Object, trust: Trust, now: datetime) -> Replica:
    name = str(pod["metadata"]["name"])
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}:{_admin_port(pod)}/proxy/metrics"
    try:
        text = await cluster.text(path)
    except KubeError as error:
        return Replica(name, f"it does not answer: {error}")
    return Replica(name, difference(read_metrics(text, now), trust))


def _admin_port(pod: Object) -> int:
    ports: Iterator[Object] = (p for c in pod["spec"]["containers"] for p in c.get("ports") or ())
    return next(
        (int(p["containerPort"]) for p in ports if p.get("name") == "ident-admin"),
        SERVICE_ADMIN_PORT,
    )


def read_metrics(text: str, asked: datetime) -> Loaded:
    """What a page of metrics says. A page that is none says nothing."""
    issuer: float | None = None
    anchors: dict[str, float] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == _ISSUER:
                    issuer = sample.value
                elif sample.name == _ANCHOR:
                    anchors[sample.labels.get("sha256", "")] = sample.value
    except ValueError:
        return Loaded(None, {}, asked)
    return Loaded(issuer, anchors, asked)


def difference(loaded: Loaded, trust: Trust) -> str | None:
    """What a pod has not loaded of `trust`; None when it has all."""
    if loaded.issuer is None:
        return "it does not say which issuer it has loaded"
    wanted = {fingerprint(anchor): anchor.not_valid_after_utc for anchor in trust.anchors}
    if loaded.anchors and loaded.anchors.keys() != wanted.keys():
        return "it has loaded other trust anchors"
    clock = _clock_of(loaded, wanted)
    end = clock + timedelta(seconds=loaded.issuer)
    if abs(end - trust.issuer.not_valid_after_utc) > _TOLERANCE:
        return f"it has loaded another issuer, which ends on {stamp(_whole(end))}"
    return None


def _clock_of(loaded: Loaded, ends: dict[str, datetime]) -> datetime:
    """What time it was at the pod."""
    known: Sequence[datetime] = [
        ends[digest] - timedelta(seconds=left)
        for digest, left in loaded.anchors.items()
        if digest in ends
    ]
    return known[0] if known else loaded.asked


def _whole(moment: datetime) -> datetime:
    return (moment + timedelta(milliseconds=500)).replace(microsecond=0)
