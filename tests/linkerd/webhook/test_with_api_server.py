"""The toys, as a program, under a real API server: certificates replaced while it asks, and SIGTERM
while it waits for an answer."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from linkerd.certificates import make_authority
from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.cluster import LocalCluster
from tests.support.certificates import key_pem, p256
from tests.support.eventually import until
from tests.support.program import Program
from tests.support.webhooks.admitting import Admitting
from tests.support.webhooks.called import NAMES, configuration
from tests.support.webhooks.served import DAY, Certificates
from tests.support.webhooks.toys import MADE_BY, NAME

pytestmark = pytest.mark.integration

GROUP = "/apis/admissionregistration.k8s.io/v1"
KINDS = {
    "validatingwebhookconfigurations": "/validate",
    "mutatingwebhookconfigurations": "/mutate",
}


class Toys:
    """The program, and the configurations that make the API server ask it about a namespace."""

    def __init__(self, folder: Path, cluster: LocalCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.certificates = Certificates(folder / "tls", NAME, "localhost")
        self.bundle = self.certificates.root.certificate_pem
        self.program = Program(
            "tests.support.webhooks.toys", "--https-addr=127.0.0.1:0", "--log-format=json",
            f"--tls-certificate={self.certificates.certificate}",
            f"--tls-key={self.certificates.key}", "--tls-reload-interval=20ms",
        )  # fmt: skip
        self.port = self.program.port_of("serving https")

    def configure(self, api: AdminApi, bundle: bytes) -> None:
        """Has the API server trust a bundle, from new connections on."""
        for plural, path in KINDS.items():
            api.apply(f"{GROUP}/{plural}/{self.namespace}", self._configuration(path, bundle))

    def remove(self, api: AdminApi) -> None:
        for plural in KINDS:
            with suppress(ApiRefusedError):
                api.request("DELETE", f"{GROUP}/{plural}/{self.namespace}")

    def _configuration(self, path: str, bundle: bytes) -> dict[str, Any]:
        kind = NAMES[0] if path == "/validate" else NAMES[1]
        made = configuration(kind, self.namespace, "toy")
        made["webhooks"][0]["clientConfig"] = {
            "url": f"https://localhost:{self.port}{path}",
            "caBundle": base64.b64encode(bundle).decode(),
        }
        return made

    def create(self, api: AdminApi, **data: str) -> dict[str, Any]:
        """Has the API server take a ConfigMap, without keeping it."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps?dryRun=All"
        made: dict[str, Any] = api.request(
            "POST", path, {"metadata": {"generateName": "paint-"}, "data": data}
        )
        return made

    def refusal(self, api: AdminApi, **data: str) -> str:
        """What the API server says when it does not take one."""
        with pytest.raises(ApiRefusedError) as caught:
            self.create(api, **data)
        return str(caught.value)

    def asked(self, api: AdminApi) -> bool:
        """Whether the API server knows of both webhooks already."""
        try:
            made = self.create(api, colour="red")
        except ApiRefusedError:
            return False
        return MADE_BY in made["metadata"].get("annotations", {})

    def denies(self, api: AdminApi) -> bool:
        try:
            self.create(api, colour="blue")
        except ApiRefusedError as error:
            return "data.colour: blue" in str(error)
        return False


@pytest.fixture
def api(api_cluster: LocalCluster) -> Iterator[AdminApi]:
    with api_cluster.api() as api:
        yield api


@pytest.fixture
def toys(
    tmp_path: Path, api: AdminApi, api_cluster: LocalCluster, namespace: str
) -> Iterator[Toys]:
    toys = Toys(tmp_path, api_cluster, namespace)
    with toys.program:
        toys.configure(api, toys.bundle)
        until(lambda: toys.asked(api) and toys.denies(api), "both webhooks are in force")
        yield toys
        toys.remove(api)


def test_verdicts(toys: Toys, api: AdminApi) -> None:
    made = toys.create(api, colour="green", pad="x" * 900_000)
    assert made["metadata"]["annotations"][MADE_BY] == "linkerd-local-admin"
    denied = toys.refusal(api, colour="blue")
    assert ": 400: " in denied
    assert "denied the request: data.colour: blue is neither red nor green" in denied
    assert ": 500: " in toys.refusal(api, colour="boom")


def test_certificates_are_replaced_under_admission_that_runs(toys: Toys, api: AdminApi) -> None:
    """A new pair of the same root, files that cannot be used, and a new root, which the API server
    is told of before the server serves by it. A new bundle makes the API server connect anew."""
    certificates, program, old = toys.certificates, toys.program, toys.bundle

    def count(event: str) -> int:
        return sum(entry["event"].startswith(event) for entry in program.entries)

    with Admitting(toys.cluster, lambda api: toys.create(api, colour="red")) as admitting:
        for number in range(1, 4):
            certificates.renew()
            until(lambda n=number: count("serving certificate updated") == n)  # type: ignore[misc]  # bound now
            toys.configure(api, old + b"\n" * number)
            admitting.some_more()
        certificates.put(certificates.issue().certificate_pem, key_pem(p256()))
        program.event("serving certificate not updated: the one that was loaded before stays")
        toys.configure(api, old + b"\n" * 9)
        admitting.some_more()
        certificates.root = make_authority("another.root", lifetime=DAY)
        new = certificates.root.certificate_pem
        toys.configure(api, old + new)
        admitting.some_more()
        certificates.renew()
        until(lambda: count("serving certificate updated") == 4, "the new root's is served")
        admitting.some_more()
        toys.configure(api, new)
        admitting.some_more()
        until(lambda: toys.denies(api), "the webhook is in force")
    assert admitting.failures == []
    assert admitting.admitted >= 60


def test_sigterm_while_a_review_is_in_progress(toys: Toys) -> None:
    with ThreadPoolExecutor(1) as pool, toys.cluster.api() as api:
        waiting = pool.submit(toys.create, api, colour="slow")
        toys.program.event("a slow review")
        assert toys.program.terminate() == 0
        assert MADE_BY in waiting.result()["metadata"]["annotations"]


def test_many_at_once(toys: Toys) -> None:
    def admit(_: int) -> bool:
        with toys.cluster.api() as api:
            return all(MADE_BY in toys.create(api)["metadata"]["annotations"] for _ in range(5))

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(admit, range(32)))
