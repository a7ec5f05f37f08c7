"""What holds for every object of every tree, whichever cluster takes it."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.version import VERSION
from tests.support.manifests import Manifest, named, of_kind, parse

CLUSTER_WIDE = {
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingWebhookConfiguration",
}


def test_objects_are_named_and_placed(tree: list[Manifest]) -> None:
    for o in tree:
        assert (o.namespace is None) == (o.kind in CLUSTER_WIDE), f"{o.kind} {o.name}"
    counts = Counter((o.kind, o.namespace, o.name) for o in tree)
    assert [key for key, count in counts.items() if count > 1] == []


def test_containers_have_no_privilege(tree: list[Manifest]) -> None:
    for deployment in of_kind(tree, "Deployment"):
        pod = deployment.pod["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in deployment.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_containers_say_what_they_use(tree: list[Manifest]) -> None:
    for deployment in of_kind(tree, "Deployment"):
        for container in deployment.containers:
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
            # No CPU limit: a throttled control plane is a late one.
            assert set(container["resources"]["limits"]) == {"memory"}


def test_probes_ask_ports_that_containers_have(tree: list[Manifest]) -> None:
    for deployment in of_kind(tree, "Deployment"):
        for container in deployment.containers:
            ports = {port["name"] for port in container.get("ports", [])}
            probes = [container[k] for k in container if k.endswith("Probe")]
            asked = [(p.get("httpGet") or p["tcpSocket"])["port"] for p in probes]
            assert set(asked) <= ports, deployment.name


def test_no_restart_waits_for_readiness(tree: list[Manifest]) -> None:
    """What a process waits for (the API server, caches) does not come sooner by killing it."""
    for deployment in of_kind(tree, "Deployment"):
        for container in deployment.containers:
            for probe in ("startupProbe", "livenessProbe"):
                asked = container.get(probe, {}).get("httpGet", {})
                assert asked.get("path", "/live") == "/live", f"{deployment.name} {probe}"


def test_probes_of_the_control_plane(control_plane: list[Manifest]) -> None:
    """A pod is Ready within a second of when it can be, and is killed only when nothing at all was
    answered for a minute or more, however busy it is."""
    for deployment in of_kind(control_plane, "Deployment"):
        for container in deployment.containers:
            readiness, liveness = container["readinessProbe"], container["livenessProbe"]
            assert readiness["httpGet"]["path"] == "/ready"
            assert readiness["periodSeconds"] == 1
            assert liveness["httpGet"]["path"] == "/live"
            assert liveness["timeoutSeconds"] >= 10
            assert liveness["failureThreshold"] * liveness["timeoutSeconds"] >= 60
            startup = container["startupProbe"]
            assert startup["failureThreshold"] * startup["periodSeconds"] >= 120


@pytest.mark.parametrize(
    "file",
    [
        path.relative_to(ROOT)
        for folder in ("components", "overlays")
        for path in sorted((ROOT / "deploy" / folder).rglob("*.yaml"))
    ],
    ids=str,
)
def test_no_overlay_or_component_changes_probes(file: Path) -> None:
    assert "Probe:" not in (ROOT / file).read_text()


def test_services_reach_ports_of_pods_they_select(tree: list[Manifest]) -> None:
    deployments = of_kind(tree, "Deployment")
    for service in of_kind(tree, "Service"):
        selector = service.spec["selector"].items()
        picked = [
            d
            for d in deployments
            if d.namespace == service.namespace and selector <= d.pod["metadata"]["labels"].items()
        ]
        assert len(picked) == 1, f"{service.name} selects {[d.name for d in picked]}"
        ports = {p["name"] for c in picked[0].containers for p in c["ports"]}
        assert {p["targetPort"] for p in service.spec["ports"]} <= ports


def test_deployments_select_their_own_pods(tree: list[Manifest]) -> None:
    for deployment in of_kind(tree, "Deployment"):
        selector = deployment.spec["selector"]["matchLabels"].items()
        assert selector <= deployment.pod["metadata"]["labels"].items()


def test_bindings_name_roles_and_accounts_that_exist(control_plane: list[Manifest]) -> None:
    accounts = {(o.namespace, o.name) for o in of_kind(control_plane, "ServiceAccount")}
    bindings = of_kind(control_plane, "ClusterRoleBinding") + of_kind(control_plane, "RoleBinding")
    for binding in bindings:
        named(control_plane, binding.body["roleRef"]["kind"], binding.body["roleRef"]["name"])
        for subject in binding.body["subjects"]:
            assert (subject["namespace"], subject["name"]) in accounts
    used = {
        (d.namespace, d.pod["spec"]["serviceAccountName"])
        for d in of_kind(control_plane, "Deployment")
    }
    assert used == accounts


def test_names_and_ports_that_proxies_know(control_plane: list[Manifest]) -> None:
    ports = {
        service.name: [(p["name"], p["port"]) for p in service.spec["ports"]]
        for service in of_kind(control_plane, "Service")
    }
    assert ports == {
        "linkerd-identity": [("grpc", 8080)],
        "linkerd-identity-headless": [("grpc", 8080)],
        "linkerd-dst": [("grpc", 8086)],
        "linkerd-dst-headless": [("grpc", 8086)],
        "linkerd-policy": [("grpc", 8090)],
        "linkerd-sp-validator": [("sp-validator", 443)],
        "linkerd-policy-validator": [("policy-https", 443)],
    }
    for service in of_kind(control_plane, "Service"):
        headless = service.name.endswith("-headless") or service.name == "linkerd-policy"
        assert (service.spec.get("clusterIP") == "None") == headless
        assert list(service.spec["selector"]) == ["linkerd.io/control-plane-component"]


def test_container_ports_are_the_known_ones(control_plane: list[Manifest]) -> None:
    ports = {
        port["name"]: port["containerPort"]
        for deployment in of_kind(control_plane, "Deployment")
        for container in deployment.containers
        for port in container["ports"]
    }
    assert ports == {
        "ident-grpc": 8080,
        "ident-admin": 9990,
        "dest-grpc": 8086,
        "dest-admin": 9996,
        "policy-grpc": 8090,
        "policy-admin": 9990,
        "sp-validator": 8443,
        "spval-admin": 9997,
    }


def test_everything_can_be_found_by_the_control_plane_label(control_plane: list[Manifest]) -> None:
    for o in control_plane:
        assert o.labels["linkerd.io/control-plane-ns"] == "linkerd", f"{o.kind} {o.name}"


def test_pods_do_not_claim_to_be_meshed(control_plane: list[Manifest]) -> None:
    """A pod with that label and no proxy is one that no proxy can connect to."""
    for deployment in of_kind(control_plane, "Deployment"):
        meshed = any(c["name"] == "linkerd-proxy" for c in deployment.containers)
        label = "linkerd.io/control-plane-ns" in deployment.pod["metadata"]["labels"]
        assert label == meshed, deployment.name


def test_version_label_is_the_version(control_plane: list[Manifest]) -> None:
    for deployment in of_kind(control_plane, "Deployment"):
        assert deployment.labels["app.kubernetes.io/version"] == VERSION


def test_crds_store_exactly_one_version(control_plane: list[Manifest]) -> None:
    for crd in of_kind(control_plane, "CustomResourceDefinition"):
        versions = crd.spec["versions"]
        assert sum(v["storage"] for v in versions) == 1, crd.name
        assert all(v["served"] for v in versions), crd.name


def test_no_key_is_in_a_tree(tree: list[Manifest]) -> None:
    assert not [o for o in tree if o.kind == "Secret"]
    assert "PRIVATE KEY" not in yaml.safe_dump([o.body for o in tree])


def test_local_overlay_only_changes_images_and_flags(
    kubectl: Kubectl, control_plane: list[Manifest]
) -> None:
    local = parse(kubectl.render(ROOT / "deploy" / "overlays" / "local"))
    for deployment in of_kind(local, "Deployment"):
        (container,) = deployment.containers
        assert container["image"] == "localhost/linkerd-py:local"
        assert container["imagePullPolicy"] == "Never"
        if deployment.name == "linkerd-destination":
            assert container["args"].pop() == "-enable-debug-pages=true"
        if any(port["name"].endswith("-grpc") for port in container["ports"]):
            assert container["args"].pop() == "-enable-reflection=true"
        (base,) = named(control_plane, "Deployment", deployment.name).containers
        container["image"], container["imagePullPolicy"] = base["image"], base["imagePullPolicy"]
    assert [o.body for o in local] == [o.body for o in control_plane]
