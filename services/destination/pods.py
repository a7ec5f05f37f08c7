"""What destination reads of a pod: where it is, who it is, its ports, and how its proxy listens."""

from typing import Final

import msgspec
from msgspec.structs import force_setattr

from linkerd.kube.objects import ObjectMeta
from linkerd.kube.objects.pool import STRINGS, Pool
from linkerd.mesh.proxy import PROXY_CONTAINER


class ContainerPort(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A declared port; `host_port` is 0 when the node does not carry it, and `host_ip` the address
    of the node at which it does, empty for all."""

    container_port: int
    name: str = ""
    host_port: int = 0
    host_ip: str = msgspec.field(name="hostIP", default="")
    protocol: str = "TCP"


class EnvVar(msgspec.Struct, frozen=True, gc=False):
    """An environment variable; `value` is None when it comes from somewhere else."""

    name: str
    value: str | None = None


# What is worth its memory of the proxy's environment: literal addresses and names.
_KEPT_START: Final = "LINKERD2_PROXY_"
_KEPT_ENDS: Final = ("_ADDR", "_NAME")


def _kept(variables: tuple[EnvVar, ...]) -> tuple[EnvVar, ...]:
    return tuple(
        [
            variable
            for variable in variables
            if variable.value is not None
            and variable.name.endswith(_KEPT_ENDS)
            and variable.name.startswith(_KEPT_START)
        ]
    )


class Container(msgspec.Struct, frozen=True, gc=False):
    """A container or init container. Only the proxy keeps variables, and of those only literal
    ones named `LINKERD2_PROXY_*_ADDR` or `_NAME`; those of applications are none of our business
    and may be secrets."""

    name: str
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()

    def __post_init__(self) -> None:
        if self.env:
            proxy = self.name == PROXY_CONTAINER
            force_setattr(self, "env", _kept(self.env) if proxy else ())

    def variable(self, name: str) -> str | None:
        """The value of a variable that is kept; the last definition wins, as in the kubelet."""
        return next((item.value for item in reversed(self.env) if item.name == name), None)


_CONTAINERS: Final[Pool[tuple[Container, ...]]] = Pool()


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Where the pod runs, as whom, and what it declares."""

    node_name: str = ""
    service_account_name: str = ""
    host_network: bool = False
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()

    def __post_init__(self) -> None:
        force_setattr(self, "node_name", STRINGS.share(self.node_name))
        force_setattr(self, "service_account_name", STRINGS.share(self.service_account_name))
        force_setattr(self, "containers", _CONTAINERS.share(self.containers))
        force_setattr(self, "init_containers", _CONTAINERS.share(self.init_containers))


class Address(msgspec.Struct, frozen=True, gc=False):
    """An entry of `podIPs` or `hostIPs`."""

    ip: str = ""


_ADDRESSES: Final[Pool[tuple[Address, ...]]] = Pool()


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Phase and addresses. Use `ips` and `host_addresses`: one address is kept as the singular
    alone, which is all that older servers fill."""

    phase: str = ""
    pod_ip: str = msgspec.field(name="podIP", default="")
    pod_ips: tuple[Address, ...] = msgspec.field(name="podIPs", default=())
    host_ip: str = msgspec.field(name="hostIP", default="")
    host_ips: tuple[Address, ...] = msgspec.field(name="hostIPs", default=())

    def __post_init__(self) -> None:
        force_setattr(self, "phase", STRINGS.share(self.phase))
        force_setattr(self, "host_ip", STRINGS.share(self.host_ip))
        force_setattr(self, "host_ips", _ADDRESSES.share(self.host_ips))
        if self.pod_ips and self.pod_ips[0].ip == self.pod_ip:
            if len(self.pod_ips) == 1:  # as most often: it says nothing more
                force_setattr(self, "pod_ips", ())
            else:
                force_setattr(self, "pod_ip", self.pod_ips[0].ip)  # one string instead of two

    @property
    def ips(self) -> tuple[str, ...]:
        """All addresses of the pod, the primary first; empty before the pod has one."""
        return _flatten(self.pod_ips, self.pod_ip)

    @property
    def host_addresses(self) -> tuple[str, ...]:
        """All addresses of the pod's node."""
        return _flatten(self.host_ips, self.host_ip)


def _flatten(several: tuple[Address, ...], one: str) -> tuple[str, ...]:
    return tuple(item.ip for item in several if item.ip) or ((one,) if one else ())


class Pod(msgspec.Struct, frozen=True, gc=False):
    """A pod, about a kilobyte of it."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def terminal(self) -> bool:
        """Whether it has run to its end; its IP may by now belong to another pod."""
        return self.status.phase in ("Succeeded", "Failed")

    @property
    def terminating(self) -> bool:
        """Whether its deletion has begun."""
        return self.metadata.deletion_timestamp is not None
