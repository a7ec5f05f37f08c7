"""Two meshed workloads for end-to-end tests, as an injector would make their pods.

Their proxies are `proxy_shaped`; everything else (account, token, variables, volumes, the program
before the proxy) is what a real one gets. `client` meets `server` ten times a second.
"""

import json
from pathlib import Path
from typing import Any, Final

from linkerd.delivery.kubectl import Kubectl
from linkerd.mesh.names import IdentityDomain
from tests.support import proxy_shaped
from tests.support.proxy_shaped import ADMIN_PORT, READY

DOMAIN: Final = IdentityDomain("linkerd", "cluster.local")
_DIRECTORY: Final = "/var/run/linkerd/identity/end-entity"
_TOKENS: Final = "/var/run/secrets/tokens"
_PROGRAM: Final = "/var/run/proxy-shaped"
PROXY_COMMAND: Final = ("python", f"{_PROGRAM}/proxy_shaped.py")
_IDENTITY: Final = "linkerd-identity-headless.linkerd.svc.cluster.local.:8080"


class Meshed:
    """The workloads `server` and `client` of a namespace."""

    def __init__(self, kubectl: Kubectl, namespace: str) -> None:
        self.kubectl = kubectl
        self.namespace = namespace

    def start(self, image: str, anchors: str) -> None:
        """Make both; returns when their proxies have certificates."""
        server = [_program(), _account("server"), _service(), _deployment("server", image, anchors)]
        client = [_account("client"), _deployment("client", image, anchors, self._peer())]
        for name, objects in (("server", server), ("client", client)):
            for each in objects:
                each["metadata"]["namespace"] = self.namespace
            listed = {"apiVersion": "v1", "kind": "List", "items": objects}
            self.kubectl.apply(json.dumps(listed), doing=f"making {name}")
            self("rollout", "status", f"deployment/{name}", "--timeout=120s")

    def __call__(self, *arguments: str) -> str:
        """kubectl in this namespace."""
        return self.kubectl(f"--namespace={self.namespace}", *arguments)

    def identity(self, workload: str) -> str:
        """Who it is."""
        return DOMAIN.workload(workload, self.namespace)

    def pods(self, workload: str) -> list[str]:
        """The names of its pods."""
        found = self.kubectl.list("pods", self.namespace, f"app={workload}")
        return [
            str(p["metadata"]["name"]) for p in found if "deletionTimestamp" not in p["metadata"]
        ]

    def report(self, pod: str) -> dict[str, Any]:
        """The last that a proxy said; empty before it says anything."""
        lines = self("logs", pod, "--tail=5").splitlines()
        found: dict[str, Any] = next((json.loads(x) for x in reversed(lines) if x[:1] == "{"), {})
        return found

    def _peer(self) -> dict[str, str]:
        host = f"server.{self.namespace}.svc.cluster.local"
        return {"PEER": f"{host}:{ADMIN_PORT}", "PEER_NAME": self.identity("server")}


def _account(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def _program() -> dict[str, Any]:
    """The stand-in's one file: the image has what it imports, and no support of tests."""
    text = Path(proxy_shaped.__file__).read_text()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "proxy-shaped"},
        "data": {"proxy_shaped.py": text},
    }


def _service() -> dict[str, Any]:
    spec = {"selector": {"app": "server"}, "ports": [{"name": "tls", "port": ADMIN_PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"}, "spec": spec}


def _deployment(
    name: str, image: str, anchors: str, other: dict[str, str] | None = None
) -> dict[str, Any]:
    labels = {"app": name, "linkerd.io/control-plane-ns": DOMAIN.controller_namespace}
    pod = {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 8,
        "securityContext": {"runAsUser": 2102, "runAsGroup": 2102, "fsGroup": 2102},
        "containers": [_proxy(image, anchors, other or {})],
        "volumes": [
            {"name": "program", "configMap": {"name": "proxy-shaped"}},
            {"name": "linkerd-identity-end-entity", "emptyDir": {"medium": "Memory"}},
            {
                "name": "linkerd-identity-token",
                "projected": {
                    "sources": [
                        {
                            "serviceAccountToken": {
                                "path": "linkerd-identity-token",
                                "audience": "identity.l5d.io",
                                "expirationSeconds": 86400,
                            }
                        }
                    ]
                },
            },
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _proxy(image: str, anchors: str, other: dict[str, str]) -> dict[str, Any]:
    identity = f"$(_pod_sa).$(_pod_ns).serviceaccount.identity.{DOMAIN.controller_namespace}"
    variables = {
        "LINKERD2_PROXY_IDENTITY_DIR": _DIRECTORY,
        "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS": anchors,
        "LINKERD2_PROXY_IDENTITY_TOKEN_FILE": f"{_TOKENS}/linkerd-identity-token",
        "LINKERD2_PROXY_IDENTITY_SVC_ADDR": _IDENTITY,
        "LINKERD2_PROXY_IDENTITY_LOCAL_NAME": f"{identity}.{DOMAIN.trust_domain}",
        **other,
    }
    fields = {"_pod_sa": "spec.serviceAccountName", "_pod_ns": "metadata.namespace"}
    return {
        "name": "linkerd-proxy",
        "image": image,
        "imagePullPolicy": "Never",
        "command": ["/usr/lib/linkerd/linkerd2-proxy-identity"],
        "args": list(PROXY_COMMAND),
        "env": [
            *(
                {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
                for name, path in fields.items()
            ),
            *({"name": name, "value": value} for name, value in variables.items()),
        ],
        "ports": [{"name": "linkerd-admin", "containerPort": ADMIN_PORT}],
        "readinessProbe": {
            "exec": {"command": ["test", "-f", f"{_DIRECTORY}/{READY}"]},
            "periodSeconds": 1,
        },
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "program", "mountPath": _PROGRAM},
            {"name": "linkerd-identity-end-entity", "mountPath": _DIRECTORY},
            {"name": "linkerd-identity-token", "mountPath": _TOKENS},
        ],
    }
