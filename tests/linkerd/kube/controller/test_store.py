"""The store of tests answers as a real API server does."""

from typing import Any

import pytest

from linkerd.kube.client import KubeClient
from linkerd.kube.controller.writes import (
    Client,
    Create,
    Delete,
    OutdatedError,
    Patch,
    Writer,
)
from linkerd.kube.objects import ConfigMap, ObjectMeta
from linkerd.kube.resource import CONFIG_MAPS
from tests.support.clock import FakeClock
from tests.support.controllers.store import Store

pytestmark = pytest.mark.integration


def create(namespace: str, **metadata: str) -> Create:
    return Create(
        CONFIG_MAPS, {"metadata": {"namespace": namespace, **metadata}, "data": {"a": "1"}}
    )


def patch(before: ObjectMeta, **data: Any) -> Patch:
    return Patch(CONFIG_MAPS, ConfigMap(before), {"data": data})


@pytest.mark.parametrize("real", [True, False])
async def test_writes_and_what_is_refused(
    kube: KubeClient, namespace: str, real: bool
) -> None:  # a parameter of the test
    client: Client = kube if real else Store(FakeClock(), CONFIG_MAPS)
    writer = Writer(client)
    made = await writer.send(create(namespace, name="one"))
    assert made is not None
    assert made.key == (namespace, "one")
    with pytest.raises(OutdatedError):
        await writer.send(create(namespace, name="one"))
    generated = await writer.send(create(namespace, generateName="some-"))
    assert generated is not None
    assert generated.name.startswith("some-")

    changed = await writer.send(patch(made, a="2", b=None))
    assert changed is not None
    assert changed.resource_version != made.resource_version
    same = await writer.send(patch(changed, a="2"))
    assert same is not None
    assert same.resource_version == changed.resource_version
    for stale in (patch(made, a="3"), Delete(CONFIG_MAPS, ConfigMap(made))):
        with pytest.raises(OutdatedError):
            await writer.send(stale)

    gone = Delete(CONFIG_MAPS, ConfigMap(changed))
    assert await writer.send(gone) is None
    assert await writer.send(gone) is None
    with pytest.raises(OutdatedError):
        await writer.send(patch(changed, a="4"))
