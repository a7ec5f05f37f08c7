"""Checks of what webhooks serve by: what an install leaves is good, and what is wrong is named."""

import base64
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from linkerd.certificates import make_authority, make_server
from linkerd.check.cluster import Cluster
from linkerd.check.model import Result
from linkerd.check.runner import Runner
from linkerd.check.webhooks import webhooks_category
from linkerd.delivery.certificates import LIFETIME
from linkerd.kube.access import Access
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from linkerd.mesh.control_plane import SP_VALIDATOR
from linkerd.runtime.clock import SystemClock
from tests.support.validator.program import Validator

pytestmark = pytest.mark.integration

NAMES = ("sp-validator", "policy-validator")
VALID, LONG = "{} webhook has valid cert", "{} cert is valid for at least 60 days"


@pytest.fixture
def validator(api_cluster: LocalCluster, namespace: str, tmp_path: Path) -> Iterator[Validator]:
    """Secrets and configurations, as an install leaves them; nobody serves."""
    with api_cluster.api() as api:
        validator = Validator(api_cluster, api, namespace, tmp_path)
        validator.failure_policy = "Ignore"
        yield validator
        validator.remove()


@pytest.fixture
async def cluster(validator: Validator) -> AsyncIterator[Cluster]:
    access = Access(validator.cluster.kubeconfig)
    async with Cluster(access, validator.namespace) as cluster:
        yield cluster


async def found(cluster: Cluster) -> dict[str, str | None]:
    """The checks that were made, and what they found wrong."""
    report = await Runner(SystemClock(), wait=0).run([webhooks_category(cluster, SystemClock())])
    return {outcome.check.description: outcome.error for outcome in report.outcomes}


def put(api: AdminApi, namespace: str, certificate: bytes, key: bytes) -> None:
    """Another pair in the profiles' Secret."""
    files = {"tls.crt": certificate, "tls.key": key}
    data = {name: base64.b64encode(content).decode() for name, content in files.items()}
    path = f"/api/v1/namespaces/{namespace}/secrets/{SP_VALIDATOR}-k8s-tls"
    api.request("PATCH", path, {"data": data}, kind="merge-patch+json")


async def test_what_an_install_leaves_is_good(validator: Validator, cluster: Cluster) -> None:
    validator.make_certificates()
    descriptions = [text.format(name) for name in NAMES for text in (VALID, LONG)]
    assert await found(cluster) == dict.fromkeys(descriptions)


async def test_what_is_not_configured_is_not_looked_at(cluster: Cluster) -> None:
    assert await found(cluster) == {}


def pair_of(name: str) -> Callable[[Validator], None]:
    def act(validator: Validator) -> None:
        pair = make_server(
            [name], make_authority("root.test", lifetime=LIFETIME), lifetime=LIFETIME
        )
        put(validator.api, validator.namespace, pair.certificate_pem, pair.key_pem)

    return act


def without_secret(validator: Validator) -> None:
    path = f"/api/v1/namespaces/{validator.namespace}/secrets/{SP_VALIDATOR}-k8s-tls"
    validator.api.request("DELETE", path)


def empty(validator: Validator) -> None:
    put(validator.api, validator.namespace, b"", b"")


def another_root(validator: Validator) -> None:
    pair_of(f"{SP_VALIDATOR}.{validator.namespace}.svc")(validator)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (without_secret, "linkerd-sp-validator-k8s-tls: it does not exist: `linkerd run` makes it"),
        (empty, "linkerd-sp-validator-k8s-tls, tls.crt: it is empty"),
        (another_root, "leads to no certificate of ValidatingWebhookConfiguration linkerd-sp-"),
        (pair_of("other.svc"), "is not for linkerd-sp-validator."),
    ],
)
async def test_what_is_wrong_is_named(
    validator: Validator, cluster: Cluster, act: Callable[[Validator], None], says: str
) -> None:
    validator.make_certificates()
    act(validator)
    error = (await found(cluster))[VALID.format("sp-validator")]
    assert error is not None
    assert says in error


async def test_its_end_is_told_in_time(validator: Validator, cluster: Cluster) -> None:
    almost = datetime.now(UTC) - LIFETIME + timedelta(days=59)
    validator.make_certificates(almost)
    said = await found(cluster)
    for name in NAMES:
        assert said[VALID.format(name)] is None
        assert "will expire on" in str(said[LONG.format(name)])
    report = await Runner(SystemClock(), wait=0).run([webhooks_category(cluster, SystemClock())])
    assert {outcome.result for outcome in report.outcomes} == {Result.SUCCESS, Result.WARNING}


async def test_another_control_plane_s_are_not_ours(validator: Validator, cluster: Cluster) -> None:
    validator.make_certificates()
    cluster.namespace = "elsewhere"
    assert await found(cluster) == {}
