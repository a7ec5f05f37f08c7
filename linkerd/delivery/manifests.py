"""Turn the Kustomize trees of this project into what one cluster gets.

The trees stay as they are: the choices of one delivery (which image, which trust anchors) are an
overlay of a few lines, written below build/, so anybody can render and read exactly what was
applied.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.objects import objects_of
from linkerd.delivery.trust import bundle_digest
from linkerd.mesh.control_plane import NAMESPACE
from linkerd.mesh.labels import TRUST_ROOT_SHA256

_HEARTBEAT: Final = "deploy/components/heartbeat"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment to wait for."""

    namespace: str
    name: str


def control_plane_overlay(
    tree: Path, *, image: str, anchors: str, on_node: bool, heartbeat: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Folder and content of the overlay. `on_node`: the image is on the cluster's only node.
    `heartbeat`: with the component of that name, which nothing else lists."""
    source = tree / "deploy" / ("overlays/local" if on_node else "base")
    names = ("localhost/linkerd-py", "linkerd-py")  # the overlay's, and that of base and components
    components = [f"../../../{_HEARTBEAT}"] if heartbeat else []
    annotations = {TRUST_ROOT_SHA256: bundle_digest(anchors)}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "any"},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    }
    return tree / "build" / "deploy" / "control-plane", {
        **_kustomization(tree, source),
        "components": components,
        "images": [_replace(name, image) for name in names],
        "patches": [
            {
                "target": {"kind": "Deployment", "namespace": NAMESPACE},
                "patch": yaml.safe_dump(patch),
            }
        ],
    }


def demo_overlay(tree: Path, *, image: str | None) -> tuple[Path, dict[str, Any]]:
    """The same for the demo, whose programs run in any image that has Python."""
    images = [_replace("docker.io/library/python", image)] if image else []
    return tree / "build" / "deploy" / "demo", {
        **_kustomization(tree, tree / "demo"),
        "images": images,
    }


def render(kubectl: Kubectl, overlay: tuple[Path, dict[str, Any]]) -> str:
    """Write an overlay and return the YAML that it gives."""
    folder, content = overlay
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return kubectl.render(folder)


def workloads(manifests: str) -> list[Workload]:
    """Every Deployment in rendered manifests, in their order."""
    return [
        Workload(each["metadata"]["namespace"], each["metadata"]["name"])
        for each in objects_of(manifests)
        if each["kind"] == "Deployment"
    ]


def _kustomization(tree: Path, source: Path) -> dict[str, Any]:
    """Kustomize takes resources by relative paths only; overlays lie three folders deep."""
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"../../../{source.relative_to(tree)}"],
    }


def _replace(name: str, image: str) -> dict[str, str]:
    """Kustomize's words for "use this image": name, and tag or digest, apart."""
    repository, at, digest = image.partition("@")
    if at:
        return {"name": name, "newName": repository, "digest": digest}
    head, colon, tag = repository.rpartition(":")
    if colon and "/" not in tag:  # else the colon belongs to the registry's port
        return {"name": name, "newName": head, "newTag": tag}
    return {"name": name, "newName": repository, "newTag": "latest"}
