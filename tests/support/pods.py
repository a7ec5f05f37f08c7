"""Pods as tests of reflectors read them."""

from typing import Final

import msgspec

from linkerd.kube import resource
from linkerd.kube.objects import ObjectMeta


class Port(msgspec.Struct, frozen=True):
    """A port of a container."""

    name: str = ""


class Container(msgspec.Struct, frozen=True):
    """A container."""

    ports: tuple[Port, ...] = ()


class PodSpec(msgspec.Struct, frozen=True):
    """What a pod declares."""

    containers: tuple[Container, ...] = ()


class PodStatus(msgspec.Struct, frozen=True, rename={"pod_ip": "podIP"}):
    """What has become of a pod."""

    phase: str = ""
    pod_ip: str = ""


class Pod(msgspec.Struct, frozen=True):
    """A pod."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


PODS: Final = resource.PODS.into(Pod)
