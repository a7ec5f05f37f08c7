"""Optional components for destination and policy, as Kustomize renders them and an API server takes
them; and what their manuals say of their manifests."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from linkerd.runtime.settings import load
from services.destination import app as destination
from services.policy import settings as policy
from tests.support.manifests import Manifest, named, of_kind, parse, with_components

pytestmark = pytest.mark.integration  # kubectl comes with the cluster's programs

COMPONENT = "linkerd.io/control-plane-component"
BUDGETS = {"destination": "linkerd-dst", "policy": "linkerd-policy"}
ROLES = {"destination": "linkerd-linkerd-destination", "policy": "linkerd-policy"}
each = pytest.mark.parametrize("name", ["destination", "policy"])
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete")
DOCUMENT = (ROOT / "docs/deploying.md").read_text()
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
UNITS = {"Mi": 2**20, "Gi": 2**30}


def octets(quantity: str) -> int:
    return int(quantity[:-2]) * UNITS[quantity[-2:]]


@pytest.fixture
def ha(kubectl: Kubectl, tmp_path: Path) -> list[Manifest]:
    return with_components(kubectl, tmp_path, "ha")


@each
def test_three_replicas_on_three_nodes_spread_over_zones(ha: list[Manifest], name: str) -> None:
    deployment = named(ha, "Deployment", f"linkerd-{name}")
    assert deployment.spec["replicas"] == 3
    assert deployment.spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 1
    pod = deployment.pod
    affinity = pod["spec"]["affinity"]["podAntiAffinity"]
    (node,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
    (zone,) = pod["spec"]["topologySpreadConstraints"]
    assert node["topologyKey"] == "kubernetes.io/hostname"
    assert (zone["topologyKey"], zone["maxSkew"]) == ("topology.kubernetes.io/zone", 1)
    assert zone["whenUnsatisfiable"] == "ScheduleAnyway"  # clusters of one zone, or of none
    for selecting in (node, zone):
        labels = selecting["labelSelector"]["matchLabels"]
        assert labels == {COMPONENT: name}
        assert labels.items() <= pod["metadata"]["labels"].items()


@each
def test_one_may_be_away(ha: list[Manifest], name: str) -> None:
    budget = named(ha, "PodDisruptionBudget", BUDGETS[name])
    assert budget.spec == {"maxUnavailable": 1, "selector": {"matchLabels": {COMPONENT: name}}}


@each
def test_memory_holds_what_was_measured(ha: list[Manifest], name: str) -> None:
    """README and bench: 130 MiB for 10,000 pods, 23 KiB a stream; 15,000 while one is away."""
    (container,) = named(ha, "Deployment", f"linkerd-{name}").containers
    asked, limit = (octets(container["resources"][k]["memory"]) for k in ("requests", "limits"))
    assert asked >= 130 * 2**20
    assert limit >= 1.25 * (130 * 2**20 + 15_000 * 23 * 2**10)
    assert "cpu" not in container["resources"]["limits"]


@each
def test_the_component_changes_nothing_else(
    ha: list[Manifest], control_plane: list[Manifest], name: str
) -> None:
    ours = named(ha, "Deployment", f"linkerd-{name}").containers[0]
    theirs = named(control_plane, "Deployment", f"linkerd-{name}").containers[0]
    assert {k: v for k, v in ours.items() if k != "resources"} == {
        k: v for k, v in theirs.items() if k != "resources"
    }
    changed = {"Deployment", "PodDisruptionBudget", "ValidatingWebhookConfiguration"}
    unchanged = [o.body for o in ha if o.kind not in changed]
    assert unchanged == [o.body for o in control_plane if o.kind not in changed]


@each
def test_network_policy_lets_through_what_is_served(
    kubectl: Kubectl, tmp_path: Path, name: str
) -> None:
    objects = with_components(kubectl, tmp_path, "network-policy")
    network = named(objects, "NetworkPolicy", f"linkerd-{name}")
    deployment = named(objects, "Deployment", f"linkerd-{name}")
    assert network.spec["podSelector"] == {"matchLabels": {COMPONENT: name}}
    assert network.spec["policyTypes"] == ["Ingress", "Egress"]
    open_ports = {port["port"] for rule in network.spec["ingress"] for port in rule["ports"]}
    served = {port["containerPort"] for c in deployment.containers for port in c["ports"]}
    assert open_ports == served | {4143, 4191}
    assert all("from" not in rule for rule in network.spec["ingress"])


def test_policies_let_all_sidecars_reach_each_other(kubectl: Kubectl, tmp_path: Path) -> None:
    objects = with_components(kubectl, tmp_path, "network-policy")
    peers = {
        network.name: [
            peer["podSelector"]["matchLabels"][COMPONENT]
            for rule in network.spec["egress"]
            for peer in rule.get("to", ())
            if "podSelector" in peer
        ]
        for network in of_kind(objects, "NetworkPolicy")
    }
    assert peers == {
        "linkerd-identity": ["destination", "policy"],
        "linkerd-destination": ["identity", "policy"],
        "linkerd-policy": ["identity", "destination"],
        "linkerd-sp-validator": ["identity", "destination", "policy"],
    }


def test_policies_let_out_to_the_api_server_dns_and_each_other_alone(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    """With the addresses that the document has an overlay name, nothing is open to anywhere."""
    (overlay,) = (block for block in BLOCKS if "kind: NetworkPolicy" in block)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    mine = tmp_path / "overlays" / "mine"
    mine.mkdir(parents=True)
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    content = {**head, "resources": ["../../deploy/base"], **yaml.safe_load(overlay)}
    (mine / "kustomization.yaml").write_text(yaml.safe_dump(content))
    for found in of_kind(parse(kubectl.render(mine)), "NetworkPolicy"):
        *api_server, dns, sidecar = found.spec["egress"]
        for rule in api_server:
            assert {port["port"] for port in rule["ports"]} == {443, 6443}
            assert rule["to"] == [{"ipBlock": {"cidr": "192.0.2.10/32"}}]
        assert bool(api_server) == (found.name != "linkerd-sp-validator")  # which calls nobody
        assert {port["port"] for port in dns["ports"]} == {53}
        assert [sorted(peer) for peer in dns["to"]] == [["namespaceSelector"], ["ipBlock"]]
        assert {tuple(peer) for peer in sidecar["to"]} == {("podSelector",)}
        assert sidecar["ports"]


@pytest.mark.parametrize("component", ["ha", "network-policy"])
def test_an_api_server_takes_them(
    api_cluster: LocalCluster, namespace: str, kubectl: Kubectl, tmp_path: Path, component: str
) -> None:
    """In the test's namespace, and without the rest of the control plane."""
    objects = with_components(kubectl, tmp_path, component)
    names = {"linkerd-destination", "linkerd-dst", "linkerd-policy"}
    kinds = {"Deployment", "PodDisruptionBudget", "NetworkPolicy"}
    mine = [o.body for o in objects if o.kind in kinds and o.name in names]
    assert len(mine) == 4
    for body in mine:
        body["metadata"]["namespace"] = namespace
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(mine))
    said = api_cluster.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(file)
    )
    assert said.count("serverside-applied") == 4


def test_destination_takes_its_flags(control_plane: list[Manifest]) -> None:
    """And say what the rest of the tree says: the namespace, and the domain of identities."""
    deployment = named(control_plane, "Deployment", "linkerd-destination")
    (container,) = deployment.containers
    name, *flags = container["args"]
    settings = load(destination.Settings, flags, {}, prog="destination", version="")
    mesh = destination.mesh_of(settings)
    assert name == "destination"
    assert settings.controller_namespace == deployment.namespace
    assert mesh.cluster_domain == mesh.identities.trust_domain == "cluster.local"
    assert mesh.transport_header
    assert mesh.h2_upgrade
    assert not settings.enable_ipv6
    assert [port in mesh.opaque_ports for port in (25, 3306, 11211, 80)] == [
        True,
        True,
        True,
        False,
    ]
    assert settings.meshed_http2_client_params is not None
    ports = {port["containerPort"] for port in container["ports"]}
    assert ports == {settings.addr.port, settings.admin_addr.port}


def test_policy_takes_its_flags(control_plane: list[Manifest]) -> None:
    """And they say what destination's say."""
    deployment = named(control_plane, "Deployment", "linkerd-policy")
    (container,) = deployment.containers
    name, *flags = container["args"]
    given = load(policy.Settings, flags, {}, prog="policy", version="")
    mesh = policy.mesh_of(given)
    theirs = destination_mesh(control_plane)
    assert name == "policy"
    assert (mesh.identities, mesh.cluster_domain) == (theirs.identities, theirs.cluster_domain)
    assert mesh.opaque_ports == theirs.opaque_ports
    assert [str(network.block) for network in mesh.probe_networks] == ["0.0.0.0/0", "::/0"]
    assert "fd00::/8" in [str(network.block) for network in mesh.cluster_networks]
    assert mesh.default_policy == "all-unauthenticated"
    ports = {port["containerPort"] for port in container["ports"]}
    assert ports == {given.addr.port, given.admin_addr.port}


def destination_mesh(control_plane: list[Manifest]) -> Any:
    _, *flags = named(control_plane, "Deployment", "linkerd-destination").containers[0]["args"]
    settings = load(destination.Settings, flags, {}, prog="destination", version="")
    return destination.mesh_of(settings)


def test_the_identity_s_domain_is_that_of_the_flags(control_plane: list[Manifest]) -> None:
    flags = {
        d.name: {f for f in d.containers[0]["args"] if f.startswith("-identity-trust-domain")}
        for d in of_kind(control_plane, "Deployment")
    }
    assert flags["linkerd-identity"] == flags["linkerd-destination"]


@each
def test_roles_allow_what_the_manual_says(control_plane: list[Manifest], name: str) -> None:
    """And the manual says all that they allow."""
    manual = (ROOT / "services" / name / "README.md").read_text()
    _, _, rest = manual.partition("\n## Permissions\n")
    table = re.findall(
        r"^\| (\S+) \| (`[^|]*) \| (.*) \|$", rest.partition("\n## ")[0], re.MULTILINE
    )
    said = {
        (group.strip("`").replace("core", ""), resource, verb)
        for group, resources, verbs in table
        for resource in re.findall(r"`([a-z/]+)`", resources)
        for verb in re.findall(rf"\b({'|'.join(VERBS)})\b", verbs)
    }
    roles = [
        named(control_plane, "ClusterRole", ROLES[name]),
        *(o for o in of_kind(control_plane, "Role") if name in o.labels.values()),
    ]
    allowed = {
        (group, resource, verb)
        for role in roles
        for rule in role.body["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert said == allowed
