"""split.smi-spec.io: TrafficSplits. What v1alpha1 and v1alpha2 say differs only in how weights are
usually written, so one Struct reads both."""

import msgspec

from linkerd.kube.objects.meta import DatedMeta


class Backend(msgspec.Struct, frozen=True, gc=False):
    """A service that gets a share; `weight` is a Kubernetes quantity."""

    service: str = ""
    weight: int | float | str = 0


class TrafficSplitSpec(msgspec.Struct, frozen=True, gc=False):
    """What clients call, and the services of the same namespace that really answer."""

    service: str = ""
    backends: tuple[Backend, ...] = ()


class TrafficSplit(msgspec.Struct, frozen=True, gc=False):
    """A TrafficSplit."""

    metadata: DatedMeta
    spec: TrafficSplitSpec = TrafficSplitSpec()
