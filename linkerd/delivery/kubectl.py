"""kubectl against one cluster: the way things are applied, waited for and looked at.

kubectl rather than the API client of the services, because what is applied here is what a person
would apply with the same files, and because it renders Kustomize trees.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linkerd.delivery.commands import run
from linkerd.delivery.errors import KubectlError
from linkerd.kube.access import Access
from linkerd.local.programs import find_program

KubernetesObject = Mapping[str, Any]
"""One object as Kubernetes' JSON has it."""


class Kubectl:
    """Runs kubectl with one kubeconfig (with none, as kubectl itself finds one)."""

    def __init__(self, kubeconfig: Path | None = None, *, access: Access | None = None) -> None:
        """`access` is for what goes beyond the kubeconfig: a context of it, somebody else."""
        self._program = _find()
        self._access = access or Access(kubeconfig)

    @property
    def command(self) -> list[str]:
        """Program and flags that every call begins with."""
        return [str(self._program), *self._access.flags()]

    def __call__(self, *arguments: str, stdin: str | None = None, doing: str = "") -> str:
        """Standard output. Raises KubectlError with kubectl's own last words."""
        return run(
            [*self.command, *arguments],
            error=KubectlError,
            doing=doing or f"kubectl {' '.join(arguments[:3])}",
            stdin=stdin,
        )

    def render(self, folder: Path) -> str:
        """The YAML of a Kustomize tree. Asks no cluster."""
        return self("kustomize", str(folder), doing=f"rendering {folder}")

    def apply(self, manifests: str, *, doing: str) -> list[str]:
        """Apply YAML or JSON; the names of the objects that this made or changed."""
        said = self("apply", "--filename=-", stdin=manifests, doing=doing)
        lines = (line.rpartition(" ") for line in said.splitlines() if line.strip())
        return [name for name, _, verb in lines if verb != "unchanged"]

    def create(self, object_: KubernetesObject, *, doing: str) -> None:
        """Create one object, which must not exist. It goes in by standard input, never by argv."""
        self("create", "--filename=-", stdin=json.dumps(object_), doing=doing)

    def create_once(self, object_: KubernetesObject, *, doing: str) -> None:
        """Create one object, unless somebody else was faster, or an answer was lost on the way."""
        try:
            self.create(object_, doing=doing)
        except KubectlError:
            meta = object_["metadata"]
            if self.find(object_["kind"], meta["name"], meta["namespace"]) is None:
                raise

    def replace(self, object_: KubernetesObject, *, doing: str) -> None:
        """Replace one object, as it was found, unless it has changed since: then KubectlError."""
        self("replace", "--filename=-", stdin=json.dumps(object_), doing=doing)

    def find(self, kind: str, name: str, namespace: str) -> KubernetesObject | None:
        """The object, or None when there is none of that name."""
        found = self(
            "get", kind, name, f"--namespace={namespace}", "--output=json", "--ignore-not-found"
        )
        value: KubernetesObject | None = json.loads(found) if found.strip() else None
        return value

    def list(self, kind: str, namespace: str, selector: str = "") -> list[KubernetesObject]:
        """All objects of a kind in a namespace, or those that the label selector picks."""
        picked = [f"--selector={selector}"] if selector else []
        said = self("get", kind, f"--namespace={namespace}", "--output=json", *picked)
        items: list[KubernetesObject] = json.loads(said)["items"]
        return items


def _find() -> Path:
    program = find_program("kubectl")
    if program is None:
        raise KubectlError(
            "there is no kubectl on PATH nor in the cache; `linkerd local up` builds one"
        )
    return program
