"""The fixtures of this project, for `pytest_plugins` of the root conftest.

Properties are not timed: how long an example takes says how busy the machine is, not whether the
property holds.
"""

import gc
import importlib
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Shares among workers to rewrite the assertions of modules that have not been compiled: each
    begins with a share of its own, and finds the others' done."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker:
        count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        for module in sorted(_modules(session.config))[int(worker) :: count]:
            with suppress(Exception, pytest.skip.Exception):  # collecting it says what is wrong
                importlib.import_module(module)


def _modules(config: pytest.Config) -> Iterator[str]:
    """The test modules that are to be collected."""
    for argument in config.args:
        path = config.rootpath / argument.partition("::")[0]
        for file in path.rglob("test_*.py") if path.is_dir() else [path]:
            yield ".".join(file.relative_to(config.rootpath).with_suffix("").parts)


def pytest_collection_finish() -> None:
    """Keeps modules and the thousands of tests out of the garbage collector's way.

    They stay to the end, and tests that collect garbage would look at all of them each time.
    """
    gc.collect()
    gc.freeze()
