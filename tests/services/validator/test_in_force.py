"""What the API server does while the validator is away, comes back, or gets new certificates."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from linkerd.delivery.certificates import LIFETIME, SETTLED
from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.cluster import LocalCluster
from tests.support.admission.cases import network_authentication
from tests.support.admission.profiles import budget
from tests.support.eventually import until
from tests.support.namespaces import fresh_namespace
from tests.support.validator.program import validating
from tests.support.webhooks.admitting import Admitting

pytestmark = pytest.mark.integration

PATHS = {
    "NetworkAuthentication": "policy.linkerd.io/v1alpha1", "ServiceProfile": "linkerd.io/v1alpha2",
}  # fmt: skip
GOOD = network_authentication({"cidr": "10.0.0.0/8"})
BAD = network_authentication()
BAD_PROFILE = budget(ttl="soon")


@pytest.fixture
def own_namespace(mesh_api: LocalCluster) -> Iterator[str]:
    with mesh_api.api() as api, fresh_namespace(api) as name:
        yield name


class Author:
    """Somebody who has objects stored, without keeping them."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def create(self, api: AdminApi, body: dict[str, object] = GOOD) -> None:
        kind = str(body["kind"])
        collection = f"/apis/{PATHS[kind]}/namespaces/{self.namespace}/{kind.lower()}s"
        meta = {"name": "web.shop.svc.cluster.local", "namespace": self.namespace}
        api.request("POST", f"{collection}?dryRun=All", {**body, "metadata": meta})

    def refusal(self, api: AdminApi, body: dict[str, object]) -> str:
        """What the API server says; empty when the object is taken."""
        try:
            self.create(api, body)
        except ApiRefusedError as error:
            return str(error)
        return ""

    def is_judged(self, api: AdminApi) -> bool:
        return all("denied the request" in self.refusal(api, each) for each in (BAD, BAD_PROFILE))


def test_while_it_is_away_the_failure_policy_holds(
    mesh_api: LocalCluster, own_namespace: str, tmp_path: Path
) -> None:
    """Ignore: what is wrong is stored. Fail: nothing is. And when it is back it is asked again."""
    author = Author(own_namespace)
    with validating(mesh_api, own_namespace, tmp_path / "tls") as (validator, program):
        api = validator.api
        until(lambda: author.is_judged(api), "the webhooks are asked")
        port = program.port_of("serving https")
        program.kill()
        for body in (GOOD, BAD, BAD_PROFILE):
            assert "failed calling webhook" in author.refusal(api, body)
        validator.failure_policy = "Ignore"
        validator.make_certificates()
        until(lambda: not author.refusal(api, BAD), "failures are ignored")
        for body in (GOOD, BAD, BAD_PROFILE):
            assert not author.refusal(api, body)
        with validator.program(port=port) as again:
            again.event("serving https")
            until(lambda: author.is_judged(api), "the webhooks are asked again")


def test_both_certificates_are_renewed_under_admission(
    mesh_api: LocalCluster, own_namespace: str, tmp_path: Path
) -> None:
    """By `linkerd run` in time, without a restart and without a request that fails."""
    author, now = Author(own_namespace), datetime.now(UTC)
    due = now - LIFETIME * 0.7
    with validating(mesh_api, own_namespace, tmp_path / "tls", now=due) as (validator, program):
        api = validator.api
        until(lambda: author.is_judged(api), "the webhooks are asked")

        def renewed() -> int:
            return sum(e["event"] == "serving certificate updated" for e in program.entries)

        with Admitting(mesh_api, author.create) as admitting:
            validator.make_certificates(now)
            admitting.some_more()
            validator.sync_files()
            until(lambda: renewed() == 2, "both are served")
            validator.make_certificates(now + 2 * SETTLED)  # the new roots alone are trusted now
            admitting.some_more()
            until(lambda: author.is_judged(api))
        assert admitting.failures == []
        assert admitting.admitted >= 20
        names = {e["name"] for e in program.entries if e["event"] == "serving certificate updated"}
        assert len(names) == 2
