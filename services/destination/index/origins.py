"""Where the endpoints of a service come from: the service itself, or services that it stands for.

A service with the label `multicluster.linkerd.io/remote-discovery` stands for one of a linked
cluster; a federated service, which its annotations make, stands for several, here and there.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from linkerd.kube.objects import Key, Service
from linkerd.mesh.labels import LOCAL_DISCOVERY, REMOTE_DISCOVERY, REMOTE_SERVICE
from services.destination.index.errors import MislabelledError

HOME: Final = ""
"""The cluster that we are in, where a linked one has its name, which is never empty."""


class Origin(NamedTuple):
    """A service of a cluster: HOME, or the name of a link."""

    cluster: str
    service: Key


def is_federated(service: Service) -> bool:
    """Whether the service stands for all that its annotations name, which may be none."""
    annotations = service.metadata.annotations
    return REMOTE_DISCOVERY in annotations or LOCAL_DISCOVERY in annotations


def origins_of(
    key: Key, service: Service | None, tell: Callable[[str, str], None]
) -> tuple[Origin, ...]:
    """What the endpoints of a service are those of, in an order that does not depend on how it is
    written. `tell(part, problem)` hears of what cannot be read and is left out. Raises
    MislabelledError."""
    if service is None:
        return (Origin(HOME, key),)
    if is_federated(service):
        return tuple(sorted(set(_members(key, service, tell))))
    cluster = service.metadata.labels.get(REMOTE_DISCOVERY)
    if cluster is None:
        return (Origin(HOME, key),)
    name = service.metadata.labels.get(REMOTE_SERVICE)
    if not cluster or not name:
        raise MislabelledError(
            f"path: service {key.namespace}/{key.name} is of another cluster, but its labels "
            f"{REMOTE_DISCOVERY} and {REMOTE_SERVICE} do not say which cluster and service"
        )
    return (Origin(cluster, Key(key.namespace, name)),)


def _members(key: Key, service: Service, tell: Callable[[str, str], None]) -> Iterator[Origin]:
    annotations = service.metadata.annotations
    if local := annotations.get(LOCAL_DISCOVERY, "").strip():
        yield Origin(HOME, Key(key.namespace, local))
    for text in annotations.get(REMOTE_DISCOVERY, "").split(","):
        name, _, cluster = text.strip().partition("@")
        if name and cluster and "@" not in cluster:
            yield Origin(cluster, Key(key.namespace, name))
        elif text.strip():
            tell(REMOTE_DISCOVERY, f"{text.strip()[:100]!r} is not SERVICE@CLUSTER; skipped")
