"""Which workloads a Server selects, and at which port."""

from collections.abc import Mapping
from dataclasses import dataclass

from linkerd.kube.objects import LabelSelector, Server
from linkerd.policy.selectors import selects
from services.policy.index.inbound.places import Place, place_of


def scope_of(namespace: str, *, is_external: bool) -> Place:
    """Where workloads of a kind meet those Servers that may select them."""
    return (namespace, "external-workloads" if is_external else "pods")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a Server says of that. `port` is a number or a name. Where several Servers select one
    port it belongs to the first by `rank`: the oldest, of these the first by name."""

    created: str
    name: str
    port: int | str
    pods: LabelSelector | None
    external_workloads: LabelSelector | None

    @classmethod
    def of(cls, server: Server) -> "Selection":
        """What `server` says."""
        meta, spec = server.metadata, server.spec
        return cls(
            meta.creation_timestamp,
            meta.name,
            spec.port,
            spec.pod_selector,
            spec.external_workload_selector,
        )

    @property
    def rank(self) -> tuple[bool, str, str]:
        """Sorts those first that count before others."""
        return (not self.created, self.created, self.name)

    def places(self, namespace: str) -> tuple[Place, ...]:
        """Places at which all workloads are that it selects."""
        each = ((self.pods, False), (self.external_workloads, True))
        return tuple(
            place_of(scope_of(namespace, is_external=is_external), selector)
            for selector, is_external in each
            if selector is not None
        )

    def selects(self, labels: Mapping[str, str], *, is_external: bool) -> bool:
        """Whether it selects workloads with these labels."""
        selector = self.external_workloads if is_external else self.pods
        return selector is not None and selects(selector, labels)
