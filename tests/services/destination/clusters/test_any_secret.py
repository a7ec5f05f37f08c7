"""Secrets of any kind: each is a link, none of our business, or refused for a reason; and so is any
kubeconfig in one."""

import json
import os
from random import Random
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ConfigError
from linkerd.kube.intake import Intake
from linkerd.kube.objects import Secret
from linkerd.kube.resource import SECRETS
from linkerd.mesh import labels
from services.destination.clusters.links import LinkError, link_of
from tests.support.feeds import METER, watch_line
from tests.support.generated import Maker
from tests.support.spoiling import spoil

KUBECONFIG: Final[dict[str, Any]] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443"}}],
    "users": [{"name": "u", "user": {"token": "s3cret"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
    "current-context": "x",
}
SECRET: Final[dict[str, Any]] = {
    "metadata": {
        "name": "north",
        "namespace": "linkerd",
        "labels": {labels.LINKED_CLUSTER_NAME: "north"},
        "annotations": {
            labels.LINKED_TRUST_DOMAIN: "trust.north.test",
            labels.LINKED_CLUSTER_DOMAIN: "north.test",
        },
    },
    "type": labels.REMOTE_KUBECONFIG,
    "data": {"kubeconfig": "e30="},
}
WORDS: Final = [value for value in vars(labels).values() if isinstance(value, str)]


@settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.integers(0, 1 << 64))
def test_whatever_is_in_a_secret(seed: int) -> None:
    random = Random(seed)
    document = SECRET if random.random() < 0.7 else Maker(random, WORDS).from_struct(Secret)
    intake = Intake(SECRETS, METER)
    raw = json.dumps(spoil(document, random)).encode()
    for event in intake.take_line(watch_line("ADDED", raw)):
        assert len(outcome(event.object)) < 500


def outcome(secret: Secret) -> str:
    try:
        link = link_of(secret)
    except LinkError as error:
        return str(error)
    return link.name[:100] if link is not None else ""


async def test_whatever_is_in_a_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors say nothing of what is in it."""
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)  # the machine's authorities take long to load
    errors = []
    for seed in range(400):
        document = spoil(KUBECONFIG, Random(seed))
        try:
            client = await KubeClient.of_kubeconfig(json.dumps(document).encode(), user_agent="t")
        except ConfigError as error:
            errors.append(str(error))
        else:
            await client.close()
    assert 100 < len(errors) < 400
    assert not [error for error in errors if "s3cret" in error]
