"""The optional components of identity, as Kustomize renders them and an API server takes them."""

from pathlib import Path

import pytest
import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.local.cluster import LocalCluster
from tests.support.manifests import Manifest, named, with_components

pytestmark = pytest.mark.integration  # kubectl comes with the cluster's programs

OURS = {"linkerd.io/control-plane-component": "identity"}


def render(cluster: LocalCluster, folder: Path, *components: str) -> list[Manifest]:
    """The base with components."""
    return with_components(Kubectl(cluster.kubeconfig), folder, *components)


def test_ha(api_cluster: LocalCluster, tmp_path: Path) -> None:
    objects = render(api_cluster, tmp_path, "ha")
    deployment = named(objects, "Deployment", "linkerd-identity")
    assert deployment.spec["replicas"] == 3
    affinity = deployment.pod["spec"]["affinity"]["podAntiAffinity"]
    (node,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    assert node["topologyKey"] == "kubernetes.io/hostname"
    assert (
        node["labelSelector"]["matchLabels"].items() <= deployment.pod["metadata"]["labels"].items()
    )
    budget = named(objects, "PodDisruptionBudget", "linkerd-identity")
    assert budget.spec == {"maxUnavailable": 1, "selector": {"matchLabels": OURS}}
    assert deployment.containers[0]["args"][0] == "identity"


def test_network_policy_lets_through_what_is_served(
    api_cluster: LocalCluster, tmp_path: Path
) -> None:
    objects = render(api_cluster, tmp_path, "network-policy")
    policy = named(objects, "NetworkPolicy", "linkerd-identity")
    deployment = named(objects, "Deployment", "linkerd-identity")
    assert policy.spec["podSelector"] == {"matchLabels": OURS}
    open_ports = {port["port"] for rule in policy.spec["ingress"] for port in rule["ports"]}
    assert {port["containerPort"] for port in deployment.containers[0]["ports"]} <= open_ports


@pytest.mark.parametrize("component", ["ha", "network-policy"])
def test_an_api_server_takes_them(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path, component: str
) -> None:
    """In the test's namespace, and without the rest of the control plane."""
    objects = render(api_cluster, tmp_path, component)
    kinds = {"Deployment", "PodDisruptionBudget", "NetworkPolicy"}
    mine = [o.body for o in objects if o.kind in kinds and o.name == "linkerd-identity"]
    assert len(mine) == 2
    for body in mine:
        body["metadata"]["namespace"] = namespace
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(mine))
    said = api_cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(file)
    )
    assert said.count("serverside-applied") == 2


def test_role_allows_what_the_manual_says(api_cluster: LocalCluster, tmp_path: Path) -> None:
    role = named(render(api_cluster, tmp_path), "ClusterRole", "linkerd-linkerd-identity")
    assert role.body["rules"] == [
        {
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["tokenreviews"],
            "verbs": ["create"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]
