"""The fixtures of this project, for `pytest_plugins` of the root conftest.

Properties are not timed: how long an example takes says how busy the machine is, not whether the
property holds.
"""

from hypothesis import HealthCheck, settings

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

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
