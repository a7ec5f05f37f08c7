"""What the controller is called on the cluster; upstream's names, so that either can follow the
other."""

from collections.abc import Mapping
from typing import Final

from linkerd.mesh.labels import HEADLESS_SERVICE, SERVICE_NAME, SLICE_MANAGED_BY

LEASE: Final = "linkerd-destination-endpoint-write"
MANAGER: Final = "linkerd-external-workloads-controller"
RESERVED: Final = frozenset({SERVICE_NAME, SLICE_MANAGED_BY, HEADLESS_SERVICE})
"""Labels of slices that are not the Service's to set."""
QUEUE: Final = "endpoints_controller_workqueue"


def is_ours(labels: Mapping[str, str]) -> bool:
    """Whether a slice with these labels is one that this controller keeps."""
    return labels.get(SLICE_MANAGED_BY) == MANAGER
