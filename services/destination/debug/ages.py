"""How old what is known may be."""

from collections.abc import Iterator
from typing import NamedTuple

from linkerd.kube.reflector_metrics import ReflectorMetrics


class Age(NamedTuple):
    """How long ago, in seconds, the API server of a cluster was last heard of one resource."""

    cluster: str
    resource: str
    seconds: float


def ages_of(metrics: ReflectorMetrics) -> Iterator[Age]:
    """Those of all reflectors."""
    for family in metrics.age.collect():
        for sample in family.samples:
            yield Age(sample.labels["cluster"], sample.labels["resource"], sample.value)
