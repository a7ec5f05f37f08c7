"""What the controller is called on the cluster; upstream's names, so that either can follow the
other."""

from collections.abc import Mapping
from typing import Final

from linkerd.mesh.labels import SERVICE_NAME

LEASE: Final = "linkerd-destination-endpoint-write"
MANAGER: Final = "linkerd-external-workloads-controller"
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
HEADLESS: Final = "service.kubernetes.io/headless"
RESERVED: Final = frozenset({SERVICE_NAME, MANAGED_BY, HEADLESS})
"""Labels of slices that are not the Service's to set."""
QUEUE: Final = "endpoints_controller_workqueue"


def is_ours(labels: Mapping[str, str]) -> bool:
    """Whether a slice with these labels is one that this controller keeps."""
    return labels.get(MANAGED_BY) == MANAGER
