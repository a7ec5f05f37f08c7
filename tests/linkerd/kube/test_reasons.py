"""What is wrong with a kubeconfig, in words for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from linkerd.kube.access import Access
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ConfigError, KubeError

INSIDES = ("Errno", "Error(", "_ssl.c", "object", "NoneType", "secret", "{'", "Assertion")
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}


def write(
    file: Path, cluster: Mapping[str, Any], user: Mapping[str, Any], **more: Any
) -> Path:  # fmt: skip
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", **user}],
    }
    file.write_text(yaml.safe_dump(content | more))
    return file


async def failure(access: Access) -> str:
    """What the client says, be it when it is made or when it first asks."""
    with pytest.raises(KubeError) as raised:
        async with await KubeClient.reach(access, user_agent="test") as client:
            await client.request("GET", "/version", timeout=5)
    said = str(raised.value)
    assert "\n" not in said
    assert not any(word in said for word in INSIDES), said
    return said


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ({"server": "banana"}, "the address of the server, 'banana', is no https://HOST:PORT"),
        ({"server": ""}, "the address of the server"),
        ({"server": "https://[::1"}, "the address of the server"),
        ({"server": "http://127.0.0.1:99999"}, "the address of the server"),
        ({"server": "ftp://x"}, "the address of the server"),
        ({"server": "https://"}, "the address of the server"),
        ({"server": "http://x", "proxy-url": "banana"}, "the address of the proxy, 'banana'"),
        ({"server": 1}, "something in it is missing, or of a wrong type"),
        ({}, "something in it is missing, or of a wrong type"),
        ({"server": "http://127.0.0.1:1"}, "cannot connect to 127.0.0.1:1: connection refused"),
        (
            {"server": "https://127.0.0.1:1", "certificate-authority-data": "Z2FyYmFnZQ=="},
            "the API server's CA or our certificate: no certificate or crl found",
        ),
    ],
)
async def test_clusters(tmp_path: Path, cluster: dict[str, Any], said: str) -> None:
    file = write(tmp_path / "k", cluster, {"user": {}})
    assert said in await failure(Access(file))


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"token": "secret"}, "Expected key user"),
        ({"user": {"token": "sec\nret"}}, "the token has characters that no header can have"),
        ({"user": {"token": "secr\u00e9t"}}, "the token has characters that no header can have"),
        ({"user": {"tokenFile": "/none"}}, "no such file or directory: /none"),
        (
            {"user": {"client-certificate-data": "Z2E=", "client-key-data": "Z2E="}},
            "the API server's CA or our certificate: not in PEM, or broken",
        ),
        ({"user": {"exec": PLUGIN | {"command": "/none"}}}, "no such file or directory: /none"),
        ({"user": {"exec": PLUGIN | {"command": "false"}}}, "exec: process returned 1"),
    ],
)
async def test_users(tmp_path: Path, user: dict[str, Any], said: str) -> None:
    file = write(tmp_path / "k", {"server": "https://127.0.0.1:1"}, user)
    assert said in await failure(Access(file))


@pytest.mark.parametrize(("user", "groups"), [("a\nb", ()), ("ann", ("\u2713",))])
def test_somebody_whom_no_header_can_name(user: str, groups: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="Impersonate-"):
        Access(user=user, groups=groups)
