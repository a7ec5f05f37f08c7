"""The fixtures of this project, for `pytest_plugins` of the root conftest."""

from tests.support.cluster import (
    api_cluster,
    busybox,
    namespace,
    node_cluster,
    node_namespace,
    other_api_cluster,
    other_namespace,
    own_api_cluster,
)

__all__ = [
    "api_cluster",
    "busybox",
    "namespace",
    "node_cluster",
    "node_namespace",
    "other_api_cluster",
    "other_namespace",
    "own_api_cluster",
]
