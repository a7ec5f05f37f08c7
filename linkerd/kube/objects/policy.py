"""policy.linkerd.io: Servers, as far as service discovery reads them."""

import msgspec

from linkerd.kube.objects.meta import ObjectMeta
from linkerd.kube.objects.selector import LabelSelector


class ServerSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A port, by number or name, of the workloads that a selector chooses. A selector that is None
    chooses none."""

    port: int | str
    pod_selector: LabelSelector | None = None
    external_workload_selector: LabelSelector | None = None
    proxy_protocol: str = "unknown"


class Server(msgspec.Struct, frozen=True, gc=False):
    """A Server."""

    metadata: ObjectMeta
    spec: ServerSpec
