"""What makes an API server call a service, as manifests have it."""

from typing import Any

import yaml

NAMES = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")


def configuration(
    kind: str, namespace: str, service: str, *, path: str = "/", port: int = 443,
    annotations: dict[str, str] | None = None, **client: str,
) -> dict[str, Any]:  # fmt: skip
    """A webhook configuration, named as its namespace, on ConfigMaps there."""
    reference = {"name": service, "namespace": namespace, "path": path, "port": port}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": namespace, **({"annotations": annotations} if annotations else {})},
        "webhooks": [
            {
                "name": f"{service}.toy.example",
                "clientConfig": {"service": reference, **client},
                "rules": [
                    {
                        "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
                        "operations": ["CREATE"],
                        "scope": "*",  # as it is stored: kubectl would call it changed without
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1", "v1beta1"],
            }
        ],
    }  # fmt: skip


def manifests(*objects: dict[str, Any]) -> str:
    """As Kustomize renders them."""
    return yaml.safe_dump_all(objects)
