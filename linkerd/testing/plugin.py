"""The fixtures of this project, for `pytest_plugins` of the root conftest."""

from linkerd.testing.cluster import api_cluster, namespace, own_api_cluster

__all__ = ["api_cluster", "namespace", "own_api_cluster"]
