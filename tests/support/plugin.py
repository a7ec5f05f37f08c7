"""The fixtures of this project, for `pytest_plugins` of the root conftest.

Properties are not timed: how long an example takes says how busy the machine is, not whether the
property holds.
"""

import gc

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
    policy_cluster,
    policy_namespace,
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
    "policy_cluster",
    "policy_namespace",
]

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Keeps modules and the thousands of tests out of the garbage collector's way.

    They stay to the end, and tests that collect garbage would look at all of them each time.
    """
    gc.collect()
    gc.freeze()
