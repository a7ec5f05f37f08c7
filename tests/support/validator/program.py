"""The validator's program, its certificates as `linkerd run` makes them, and the configurations of
deploy/ that make an API server ask it about one namespace.

Both Services are names of this machine, so the API server goes the way that it goes on a cluster:
by the Service, with the Service's name for TLS, and the roots in the configuration.
"""

import base64
import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from linkerd.delivery.certificates import with_certificates
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.control_plane import POLICY_VALIDATOR, SP_VALIDATOR
from tests.support.mount import Mount
from tests.support.program import Program

SERVICES: Final = (SP_VALIDATOR, POLICY_VALIDATOR)
_GROUP: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Validator:
    """Of one namespace, in which its Services and Secrets are, too."""

    def __init__(self, cluster: LocalCluster, api: AdminApi, namespace: str, folder: Path) -> None:
        self.cluster = cluster
        self.api = api
        self.namespace = namespace
        self.failure_policy = "Fail"
        self._kubectl = Kubectl(cluster.kubeconfig)
        self._mounts = {name: Mount(folder / name) for name in SERVICES}
        self._port = 443

    def make_certificates(self, now: datetime | None = None) -> None:
        """Secrets and configurations as `linkerd run` leaves them at that time."""
        text, _ = with_certificates(
            self._kubectl, yaml.safe_dump_all(self._configurations()), self.namespace,
            now=now or datetime.now(UTC),
        )  # fmt: skip
        for made in yaml.safe_load_all(text):
            self.api.apply(f"{_GROUP}/{made['metadata']['name']}", made)

    def sync_files(self) -> None:
        """What kubelet does a while after a Secret has changed."""
        for name, mount in self._mounts.items():
            path = f"/api/v1/namespaces/{self.namespace}/secrets/{name}-k8s-tls"
            data = self.api.request("GET", path)["data"]
            certificate, key = (base64.b64decode(data[field]) for field in ("tls.crt", "tls.key"))
            mount.put(tls_crt=certificate, tls_key=key)

    def reach(self, port: int) -> None:
        """Has the Services lead to that port of this machine."""
        self._port = port
        for name in SERVICES:
            spec = {
                "type": "ExternalName", "externalName": "localhost",
                "ports": [{"name": "https", "port": port}],
            }  # fmt: skip
            path = f"/api/v1/namespaces/{self.namespace}/services/{name}"
            meta = {"name": name}
            self.api.apply(
                path, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
            )

    def program(self, *flags: str, port: int = 0) -> Program:
        """A new process of it."""
        sp, policy = (self._mounts[name].path for name in SERVICES)
        return Program(
            "services.validator", f"--https-addr=127.0.0.1:{port}", "--admin-addr=127.0.0.1:0",
            f"--controller-namespace={self.namespace}", "--log-format=json",
            f"--tls-certificate={sp}/tls.crt", f"--tls-key={sp}/tls.key",
            f"--policy-tls-certificate={policy}/tls.crt", f"--policy-tls-key={policy}/tls.key",
            "--tls-reload-interval=20ms", *flags, fork=False,
        )  # fmt: skip

    def remove(self) -> None:
        """Has the API server ask nobody any more."""
        for made in self._configurations():
            with suppress(ApiRefusedError):
                self.api.request("DELETE", f"{_GROUP}/{made['metadata']['name']}")

    def _configurations(self) -> list[dict[str, Any]]:
        """Those of deploy/, but for the namespace, the port, and what they are called: there may be
        other ones on the same server."""
        shipped = (ROOT / "deploy/base/validator/webhooks.yaml").read_text()
        made = []
        for one in copy.deepcopy(list(yaml.safe_load_all(shipped))):
            one["metadata"]["name"] += f"-{self.namespace}"
            (webhook,) = one["webhooks"]
            webhook["failurePolicy"] = self.failure_policy
            webhook["clientConfig"]["service"] |= {
                "namespace": self.namespace, "port": self._port,
            }  # fmt: skip
            webhook["namespaceSelector"]["matchExpressions"].append(
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "In",
                    "values": [self.namespace],
                }
            )
            made.append(one)
        return made


@contextmanager
def validating(
    cluster: LocalCluster, namespace: str, folder: Path, *, now: datetime | None = None
) -> Iterator[tuple[Validator, Program]]:
    """The program, and an API server that asks it."""
    folder.mkdir()
    with cluster.api() as api:
        validator = Validator(cluster, api, namespace, folder)
        validator.make_certificates(now)
        validator.sync_files()
        try:
            with validator.program() as program:
                validator.reach(program.port_of("serving https"))
                validator.make_certificates(now)
                yield validator, program
        finally:
            validator.remove()
