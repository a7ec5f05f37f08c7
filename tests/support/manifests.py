"""Rendered objects with the few questions that tests ask of them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.objects import objects_of
from linkerd.delivery.tree import ROOT


@dataclass(frozen=True)
class Manifest:
    """One object."""

    body: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        namespace: str | None = self.body["metadata"].get("namespace")
        return namespace

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.body["metadata"].get("labels", {}))

    @property
    def spec(self) -> dict[str, Any]:
        return dict(self.body["spec"])

    @property
    def pod(self) -> dict[str, Any]:
        """The pod template of a Deployment."""
        return dict(self.body["spec"]["template"])

    @property
    def containers(self) -> list[dict[str, Any]]:
        """All of them, init containers first."""
        spec = self.pod["spec"]
        return [*spec.get("initContainers", []), *spec["containers"]]


def parse(text: str) -> list[Manifest]:
    """Every object of a YAML stream."""
    return [Manifest(body) for body in objects_of(text)]


def of_kind(objects: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind, of which there must be some."""
    found = [o for o in objects if o.kind == kind]
    if not found:
        raise LookupError(f"there is no {kind}")
    return found


def named(objects: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of that kind and name."""
    (found,) = (o for o in objects if (o.kind, o.name) == (kind, name))
    return found


def with_components(
    kubectl: Kubectl, folder: Path, *components: str, source: str = "deploy/base"
) -> list[Manifest]:
    """A tree with components of deploy/, by an overlay that is written into `folder`."""

    def there(path: str) -> str:
        return os.path.relpath(ROOT / path, folder.resolve())

    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [there(source)],
        "components": [there(f"deploy/components/{name}") for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return parse(kubectl.render(folder))
