"""The component: absent unless asked for, accepted by a real API server, as strict as promised."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.local.cluster import LocalCluster
from linkerd.runtime.settings import load
from services.heartbeat.app import NAME, Settings

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "services/heartbeat/README.md"
OBJECTS = {
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "CronJob",
}

pytestmark = pytest.mark.integration  # kubectl comes with the cluster's programs


def _render(cluster: LocalCluster, folder: Path, **overlay: Any) -> list[dict[str, Any]]:
    folder.mkdir(exist_ok=True)
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({**head, **overlay}))
    return list(yaml.safe_load_all(Kubectl(cluster.kubeconfig).render(folder)))


def _relative(path: str, folder: Path) -> str:
    return os.path.relpath(ROOT / "deploy" / path, folder.resolve())


def _component(cluster: LocalCluster, folder: Path, **more: Any) -> list[dict[str, Any]]:
    return _render(cluster, folder, components=[_relative("components/heartbeat", folder)], **more)


def _cron_job(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = (each for each in objects if each["kind"] == "CronJob")
    return found


@pytest.mark.parametrize("tree", ["base", "overlays/local"])
def test_h9_nothing_is_rendered_unless_asked_for(
    api_cluster: LocalCluster, tmp_path: Path, tree: str
) -> None:
    objects = _render(api_cluster, tmp_path, resources=[_relative(tree, tmp_path)])
    assert objects
    assert "heartbeat" not in yaml.safe_dump(objects)


def test_h9_the_overlay_of_the_readme_has_it(api_cluster: LocalCluster, tmp_path: Path) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    for tree in ("base", "components/heartbeat"):
        text = text.replace(f"../../{tree}\n", f"{_relative(tree, tmp_path)}\n")
    objects = _render(api_cluster, tmp_path, **yaml.safe_load(text))
    ours = [each for each in objects if each["metadata"]["name"] == "linkerd-heartbeat"]
    assert {each["kind"] for each in ours} == OBJECTS
    assert _cron_job(objects)["spec"]["schedule"] == "12 3 * * *"


def test_the_component_is_accepted_by_an_api_server(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path
) -> None:
    objects = _component(api_cluster, tmp_path, namespace=namespace)
    said = api_cluster.kubectl(
        "apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(objects)
    )
    assert len(said.splitlines()) == len(OBJECTS)


def test_the_component_has_no_other_rights(api_cluster: LocalCluster, tmp_path: Path) -> None:
    objects = _component(api_cluster, tmp_path)
    rules = {each["kind"]: each["rules"] for each in objects if each["kind"].endswith("Role")}
    assert rules == {
        "Role": [
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": ["linkerd-config"],
                "verbs": ["get"],
            }
        ],
        "ClusterRole": [
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
            {"apiGroups": ["linkerd.io"], "resources": ["serviceprofiles"], "verbs": ["list"]},
        ],
    }


def test_the_job_runs_once_and_never_in_parallel(api_cluster: LocalCluster, tmp_path: Path) -> None:
    spec = _cron_job(_component(api_cluster, tmp_path))["spec"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", spec["schedule"])
    assert (spec["concurrencyPolicy"], spec["successfulJobsHistoryLimit"]) == ("Replace", 0)
    pod = spec["jobTemplate"]["spec"]["template"]
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["metadata"]["annotations"] == {"linkerd.io/inject": "disabled"}


def test_the_job_is_confined(api_cluster: LocalCluster, tmp_path: Path) -> None:
    objects = _component(api_cluster, tmp_path)
    pod = _cron_job(objects)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 2103
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_job_understands_its_arguments(api_cluster: LocalCluster, tmp_path: Path) -> None:
    objects = _component(api_cluster, tmp_path)
    pod = _cron_job(objects)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    service, *flags = pod["containers"][0]["args"]
    settings = load(Settings, flags, {}, prog=NAME)
    assert service == NAME
    assert settings.controller_namespace == "linkerd"
    assert str(settings.prometheus_url) == ("http://prometheus.linkerd-viz.svc.cluster.local:9090")
    assert settings.endpoint_url == Settings().endpoint_url
