"""An API-only cluster, with the real programs."""

import stat

import pytest

from linkerd.local.cluster import LocalCluster

pytestmark = pytest.mark.integration


def test_namespace_is_there(api_cluster: LocalCluster, namespace: str) -> None:
    assert namespace in api_cluster.kubectl("get", "namespaces", "-o", "name")


def test_kubeconfig_is_private(api_cluster: LocalCluster) -> None:
    assert stat.S_IMODE(api_cluster.kubeconfig.stat().st_mode) == 0o600
