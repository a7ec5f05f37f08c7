"""Kubeconfigs out of Secrets: everything in them, nothing that runs or reads files here."""

import asyncio
import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ConfigError
from linkerd.kube.inline import parse_inline_kubeconfig
from linkerd.kube.resource import PODS
from linkerd.kube.reviews import self_subject_access_review
from linkerd.local.cluster import LocalCluster


def kubeconfig(user: Any = None, **cluster: Any) -> dict[str, Any]:
    return {
        "kind": "Config",
        "apiVersion": "v1",
        "current-context": "north",
        "contexts": [{"name": "north", "context": {"cluster": "north", "user": "us"}}],
        "clusters": [{"name": "north", "cluster": {"server": "https://192.0.2.1"} | cluster}],
        "users": [{"name": "us", "user": {"token": "s3cret"} if user is None else user}],
    }


def dump(document: Any) -> bytes:
    return yaml.safe_dump(document).encode()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (kubeconfig({"exec": {"command": "sh"}}), "users: exec is not allowed"),
        (kubeconfig({"auth-provider": {"name": "gcp"}}), "auth-provider is not allowed"),
        (kubeconfig({"tokenFile": "/etc/passwd"}), "tokenFile is not allowed"),
        (kubeconfig({"client-key": "/k", "client-certificate": "/c"}), "is not allowed"),
        (kubeconfig(**{"certificate-authority": "/ca"}), "certificate-authority is not allowed"),
        (kubeconfig(server="http://192.0.2.1"), "server must begin with https://"),
        (kubeconfig(server=None), "server must begin with https://"),
        ({**kubeconfig(), "users": "me"}, "users are not a list"),
        ({**kubeconfig(), "users": [{"name": "us", "user": "me"}]}, "user is not a mapping"),
        ([], "is not a mapping"),
        ("token: [", "not a mapping"),
    ],
)
def test_what_a_kubeconfig_in_a_secret_may_not_say(document: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_inline_kubeconfig(dump(document))


async def test_a_large_one_is_read_beside_the_loop() -> None:
    document = kubeconfig()
    document["users"] += [{"name": f"u{n}", "user": {"token": "x"}} for n in range(2000)]
    reading = asyncio.create_task(KubeClient.of_kubeconfig(dump(document), user_agent="test"))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.001)
        turns += 1
    await (await reading).close()
    assert turns > 10


def test_one_that_is_larger_than_any_needs_to_be() -> None:
    with pytest.raises(ConfigError, match="at most 131072 are read"):
        parse_inline_kubeconfig(b"#" * 131073)


def test_errors_do_not_quote_the_text() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_inline_kubeconfig(b"token: {s3cret")
    assert "s3cret" not in str(caught.value)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_garbage_is_refused_or_read(text: bytes) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_inline_kubeconfig(text), dict)


@pytest.mark.parametrize(
    "document",
    [
        {**kubeconfig(), "current-context": "south"},
        {**kubeconfig(), "contexts": "north"},
        kubeconfig(**{"certificate-authority-data": "s3cret!"}),
        {"kind": "Config", "clusters": [], "users": []},
    ],
)
async def test_a_kubeconfig_that_leads_nowhere_is_an_error_without_secrets(document: Any) -> None:
    with pytest.raises(ConfigError, match=r"the kubeconfig|certificate") as caught:
        await KubeClient.of_kubeconfig(dump(document), user_agent="test")
    assert "s3cret" not in str(caught.value)


@pytest.mark.integration
async def test_it_reaches_the_server(api_cluster: LocalCluster, tmp_path: Path) -> None:
    text = api_cluster.kubeconfig.read_bytes()
    async with await KubeClient.of_kubeconfig(text, user_agent="test") as client:
        assert (await self_subject_access_review(client, "list", PODS)).allowed
    broken = yaml.safe_load(text)
    broken["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(b"x").decode()
    with pytest.raises(ConfigError, match="CA"):
        await KubeClient.of_kubeconfig(dump(broken), user_agent="test")
