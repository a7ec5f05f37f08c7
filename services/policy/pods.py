"""What policy reads of a pod: its ports, and the paths at which kubelets ask how it is."""

from typing import Final

import msgspec
from msgspec.structs import force_setattr

from linkerd.kube.objects import ObjectMeta
from linkerd.kube.objects.pool import Pool


class ContainerPort(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A declared port."""

    container_port: int
    name: str = ""
    protocol: str = "TCP"

    @property
    def is_tcp(self) -> bool:
        """Whether proxies may accept connections there."""
        return is_tcp(self.protocol)


def is_tcp(protocol: str) -> bool:
    """Whether a port's protocol is TCP, in any case: not all schemas say how it is spelt."""
    return protocol.upper() == "TCP"


class HttpGet(msgspec.Struct, frozen=True, gc=False):
    """What a kubelet asks for; `port` is a number or a name."""

    port: int | str = 0
    path: str = ""


class Probe(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How a kubelet asks. Other ways than HTTP are none of ours."""

    http_get: HttpGet | None = None


class Container(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container or init container."""

    ports: tuple[ContainerPort, ...] = ()
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None

    @property
    def probes(self) -> tuple[HttpGet, ...]:
        """What kubelets ask for by HTTP."""
        each = (self.liveness_probe, self.readiness_probe, self.startup_probe)
        return tuple(probe.http_get for probe in each if probe is not None and probe.http_get)


_CONTAINERS: Final[Pool[tuple[Container, ...]]] = Pool()


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What the pod declares."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "containers", _CONTAINERS.share(self.containers))
        force_setattr(self, "init_containers", _CONTAINERS.share(self.init_containers))


class Pod(msgspec.Struct, frozen=True, gc=False):
    """A pod."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
