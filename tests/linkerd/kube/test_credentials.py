"""Which configuration is found, and how it is renewed."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from linkerd.kube.credentials import Credentials, find_kubeconfig
from linkerd.kube.errors import ConfigError
from tests.support.clock import FakeClock


def _kubeconfig(path: Path, server: str = "https://127.0.0.1:6443", **user: Any) -> Path:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_order_of_search(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    named, listed = _kubeconfig(tmp_path / "named"), _kubeconfig(tmp_path / "listed")
    environ = {"HOME": str(home), "KUBECONFIG": f"/nowhere:{listed}"}
    assert find_kubeconfig(named, environ) == str(named)
    assert find_kubeconfig(None, environ) == f"/nowhere:{listed}"
    assert find_kubeconfig(None, {"HOME": str(home)}) is None
    default = _kubeconfig(home / ".kube" / "config")
    assert find_kubeconfig(None, {"HOME": str(home)}) == str(default)


@pytest.mark.parametrize("environ", [{}, {"KUBECONFIG": "/nowhere/at/all"}])
def test_a_named_file_must_exist(environ: dict[str, str]) -> None:
    given = None if environ else Path("/nowhere/at/all")
    with pytest.raises(ConfigError, match="/nowhere/at/all"):
        find_kubeconfig(given, environ)


async def test_outside_of_everything_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="--kubeconfig"):
        await Credentials.load(None, FakeClock())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "banana", "a: {", "current-context: x", "contexts: 5", "clusters: [1]", "\x00"],
)
async def test_a_broken_kubeconfig_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(ConfigError, match=str(path)):
        await Credentials.load(path, FakeClock())


async def test_a_missing_ca_is_a_config_error(tmp_path: Path) -> None:
    path = _kubeconfig(tmp_path / "k")
    content = yaml.safe_load(path.read_text())
    content["clusters"][0]["cluster"]["certificate-authority"] = str(tmp_path / "none.crt")
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"none\.crt"):
        await Credentials.load(path, FakeClock())


async def test_a_token_is_read_again_on_reload_but_not_too_often(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    clock = FakeClock()
    path = _kubeconfig(tmp_path / "k", tokenFile=str(token))
    credentials = await Credentials.load(path, clock)
    assert await credentials.authorization() == "Bearer one"
    token.write_text("two\n")
    assert await credentials.authorization() == "Bearer one"
    assert await credentials.reload(0)
    assert await credentials.authorization() == "Bearer two"
    token.write_text("three\n")
    assert await credentials.reload(0)  # somebody else has done it since generation 0
    assert not await credentials.reload(1)  # too soon
    assert await credentials.authorization() == "Bearer two"
    await clock.advance(6)
    assert await credentials.reload(1)
    assert await credentials.authorization() == "Bearer three"


async def test_a_failed_reload_keeps_what_there_is(tmp_path: Path) -> None:
    path = _kubeconfig(tmp_path / "k", token="one")
    credentials = await Credentials.load(path, FakeClock())
    path.write_text("banana")
    assert not await credentials.reload(0)
    assert await credentials.authorization() == "Bearer one"


async def test_a_plugin_runs_again_when_its_token_ends(tmp_path: Path) -> None:
    clock = FakeClock(datetime.now(UTC))
    counter, script = tmp_path / "count", tmp_path / "plugin.py"
    ends = clock.now() + timedelta(hours=1)
    script.write_text(
        "import json, pathlib, sys\n"
        f"path = pathlib.Path({str(counter)!r})\n"
        "n = int(path.read_text()) + 1 if path.exists() else 1\n"
        "path.write_text(str(n))\n"
        "kind = {'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential'}\n"
        f"status = {{'token': f'token-{{n}}', 'expirationTimestamp': {ends.isoformat()!r}}}\n"
        "print(json.dumps({**kind, 'status': status}))\n"
    )
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
    }
    credentials = await Credentials.load(_kubeconfig(tmp_path / "k", exec=plugin), clock)
    assert await credentials.authorization() == "Bearer token-1"
    await clock.advance(3000)
    assert await credentials.authorization() == "Bearer token-1"
    await clock.advance(595)
    assert await credentials.authorization() == "Bearer token-2"
    assert json.loads(counter.read_text()) == 2


async def test_the_pods_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kubernetes_asyncio.config import incluster_config

    (tmp_path / "token").write_text("pod-token\n")
    (tmp_path / "ca.crt").write_text("a certificate")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    credentials = await Credentials.load(None, FakeClock())
    assert credentials.configuration.host == "https://[fd00::1]:443"
    assert await credentials.authorization() == "Bearer pod-token"
    with pytest.raises(ConfigError, match="CA"):
        credentials.tls_context()


async def test_the_fingerprint_follows_address_and_files(tmp_path: Path) -> None:
    path = _kubeconfig(tmp_path / "k", token="one")
    clock = FakeClock()
    credentials = await Credentials.load(path, clock)
    before = credentials.fingerprint()
    _kubeconfig(path, token="two")
    await credentials.reload(0)
    assert credentials.fingerprint() == before
    _kubeconfig(path, server="https://127.0.0.1:6444", token="two")
    await clock.advance(6)
    await credentials.reload(1)
    assert credentials.fingerprint() != before


async def test_a_context_other_than_the_current(tmp_path: Path) -> None:
    path = _kubeconfig(tmp_path / "k", token="one")
    content = yaml.safe_load(path.read_text())
    content["contexts"].append({"name": "d", "context": {"cluster": "d", "user": "v"}})
    content["clusters"].append({"name": "d", "cluster": {"server": "https://d:6443"}})
    content["users"].append({"name": "v", "user": {"token": "two"}})
    path.write_text(yaml.safe_dump(content))
    clock = FakeClock()
    credentials = await Credentials.load(path, clock, context="d")
    assert credentials.configuration.host == "https://d:6443"
    await clock.advance(6)
    assert await credentials.reload(0)
    assert await credentials.authorization() == "Bearer two"
    with pytest.raises(ConfigError, match="nope"):
        await Credentials.load(path, clock, context="nope")


async def test_a_context_of_no_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="there is no context c"):
        await Credentials.load(None, FakeClock(), context="c")
