"""A webhook's certificate is renewed by an install while the API server asks, and none of its
requests fails: the whole of the way from the Secret to the connection, kubelet's part apart."""

import base64
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from linkerd.delivery.certificates import LIFETIME, SETTLED, with_certificates
from linkerd.delivery.kubectl import Kubectl
from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.cluster import LocalCluster
from tests.support.eventually import until
from tests.support.mount import Mount
from tests.support.program import Program
from tests.support.webhooks.admitting import Admitting
from tests.support.webhooks.called import NAMES, configuration, manifests

pytestmark = pytest.mark.integration

SERVICE = "toy"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Installation:
    """A namespace with a webhook, as installed at different times."""

    def __init__(self, cluster: LocalCluster, api: AdminApi, namespace: str, mount: Path) -> None:
        self.kubectl = Kubectl(cluster.kubeconfig)
        self.api = api
        self.namespace = namespace
        self.mount = Mount(mount)
        self.port = 443

    def install(self, now: datetime) -> None:
        """Secret and configuration; the files in pods are still the old ones."""
        rendered = configuration(
            NAMES[0], self.namespace, SERVICE, path="/validate", port=self.port
        )
        text, _ = with_certificates(self.kubectl, manifests(rendered), self.namespace, now=now)
        (given,) = yaml.safe_load_all(text)
        self.api.apply(f"{CONFIGURATIONS}/{self.namespace}", given)

    def sync(self) -> None:
        """What kubelet does a while later."""
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{SERVICE}-k8s-tls"
        data = self.api.request("GET", path)["data"]
        crt, key = (base64.b64decode(data[name]) for name in ("tls.crt", "tls.key"))
        self.mount.put(tls_crt=crt, tls_key=key)

    def create(self, api: AdminApi, colour: str = "red") -> Any:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps?dryRun=All"
        body = {"metadata": {"generateName": "paint-"}, "data": {"colour": colour}}
        return api.request("POST", path, body)

    def denies(self) -> bool:
        """Whether the webhook is asked, and answers."""
        try:
            self.create(self.api, "blue")
        except ApiRefusedError as error:
            return "data.colour: blue" in str(error)
        return False


@pytest.fixture
def installation(
    api_cluster: LocalCluster, namespace: str, tmp_path: Path
) -> Iterator[Installation]:
    with api_cluster.api() as api:
        yield Installation(api_cluster, api, namespace, tmp_path / "tls")
        with suppress(ApiRefusedError):
            api.request("DELETE", f"{CONFIGURATIONS}/{namespace}")


def test_a_renewal_under_admission(installation: Installation, api_cluster: LocalCluster) -> None:
    now, namespace = datetime.now(UTC), installation.namespace
    installation.install(now - LIFETIME * 0.7)  # it is due now
    installation.sync()
    external = {"type": "ExternalName", "externalName": "localhost"}
    installation.api.request(
        "POST", f"/api/v1/namespaces/{namespace}/services",
        {"metadata": {"name": SERVICE}, "spec": external},
    )  # fmt: skip
    program = Program(
        "tests.support.webhooks.toys", "--https-addr=127.0.0.1:0", "--log-format=json",
        f"--tls-certificate={installation.mount.path}/tls.crt", "--tls-reload-interval=20ms",
        f"--tls-key={installation.mount.path}/tls.key", f"--host={SERVICE}.{namespace}.svc",
    )  # fmt: skip
    with program:
        installation.port = program.port_of("serving https")
        installation.install(now - LIFETIME * 0.7 + timedelta(days=1))
        until(installation.denies, "the webhook is in force")
        with Admitting(api_cluster, installation.create) as admitting:
            installation.install(now)
            admitting.some_more()
            installation.sync()
            program.event("serving certificate updated")
            installation.install(now + 2 * SETTLED)  # from here on the new root alone is trusted
            admitting.some_more()
            until(installation.denies)
        assert admitting.failures == []
        assert admitting.admitted >= 20
