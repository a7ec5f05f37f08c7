"""Kinds whose definition a cluster may have or not, beside a real API server."""

import asyncio

import pytest

from linkerd.local.cluster import LocalCluster
from services.destination.testing_api import ROOT, Objects, connect, start

pytestmark = pytest.mark.integration

PROFILE = """
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata: {name: ledger.fin.svc.cluster.local, namespace: fin}
spec: {routes: [{name: list, condition: {pathRegex: /v1/items}}]}
"""


class TestServiceProfiles:
    async def test_t20_routes_of_a_service(self, own_api_cluster: LocalCluster) -> None:
        """With the definition that we install; the other tests go without it."""
        definition = ROOT / "deploy/base/crds/serviceprofiles.yaml"
        own_api_cluster.kubectl("apply", "-f", str(definition))
        own_api_cluster.kubectl("wait", "--for=condition=Established", "-f", str(definition))
        own_api_cluster.kubectl("create", "namespace", "fin")
        with own_api_cluster.api() as api:
            authority = Objects(api, "fin").ledger()
        with start(own_api_cluster.kubeconfig) as program:
            await asyncio.to_thread(program.event, "ready")
            async with connect(program) as client:
                profiles = client.profiles(authority)
                assert not (await anext(profiles)).routes
                own_api_cluster.kubectl("apply", "-f", "-", stdin=PROFILE)
                (route,) = (await anext(profiles)).routes
                assert route.metrics_labels["route"] == "list"
                assert route.condition.path.regex == "/v1/items"
