"""The program against every API server that is none, or that says no.

Whatever goes wrong, standard output is empty or what was asked for, standard error is for people,
and the exit code is 1.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.canned_api import answering, kubeconfig
from tests.support.forked import Done, Forks, forked_linkerd

pytestmark = pytest.mark.integration  # kubectl comes with the cluster's programs

COMMANDS = {
    "check": ("check", "-o", "json", "--wait=1s"),
    "version": ("version", "-o", "json"),
    "issuer": ("identity", "issuer", "-o", "json"),
    "pods": ("identity", "web-1", "-o", "json"),
    "selected pods": ("identity", "-l", "app=web", "-n", "shop", "-o", "pem"),
    "endpoints": ("diagnostics", "endpoints", "web.shop.svc.cluster.local", "-o", "json"),
    "controllers": ("diagnostics", "controller-metrics"),
    "proxies": ("diagnostics", "proxy-metrics", "deploy/web"),
    "profile": ("profile", "--template", "web", "-o", "json"),
}
SUCCEEDS = {"version"}  # which says "unavailable"
PRINTS = {"check", "version"}
NOISE = (
    "Traceback", "Error:root", "memcache.go", "localhost:8080", "Unknown child process", "asyncio",
    "aiohttp", "kubernetes_asyncio", "grpc", "SSLContext", "TimeoutError", "Errno", "object at 0x",
    "[error", "[info", "[warning", "kubectl said nothing",
)  # fmt: skip


@pytest.fixture
def forks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forks]:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with forked_linkerd(tmp_path) as forks:
        yield forks


def run_all(forks: Forks, *flags: str, **environ: str) -> dict[str, Done]:
    runs = {name: forks.start(*words, *flags, **environ) for name, words in COMMANDS.items()}
    return {name: run.done() for name, run in runs.items()}


def judge(found: dict[str, Done], said: str) -> None:
    """Every command: its code, its output, and that its error is a sentence with `said` in it."""
    for name, done in found.items():
        assert done.code == (0 if name in SUCCEEDS else 1), (name, done)
        for noise in NOISE:
            assert noise not in done.output + done.errors, (name, noise, done)
        if name not in PRINTS:
            assert done.output == "", (name, done)
            assert said in done.errors, (name, done)
        assert done.errors.count("\n") <= 1, (name, done)
        if name in PRINTS:
            json.loads(done.output)
    assert json.loads(found["version"].output)["server"] == "unavailable"
    check = json.loads(found["check"].output)
    errors = [c["error"] for each in check["categories"] for c in each["checks"] if "error" in c]
    assert not check["success"]
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (401, "401 Unauthorized: not for you"),
        (403, "not for you"),
        (500, "500 InternalError: not for you"),
        ("<html>Sign in</html>", "no JSON object"),
        ("[]", "no JSON object"),
        ("close", "GET "),
        ("hang", "no answer in time"),
    ],
)
def test_an_api_server_that_says_no(
    forks: Forks, tmp_path: Path, answer: int | str, said: str
) -> None:
    with answering(answer) as url:
        file = kubeconfig(tmp_path / "kubeconfig", url)
        judge(run_all(forks, f"--kubeconfig={file}"), said)


def test_no_api_server(forks: Forks, tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    judge(run_all(forks, KUBECONFIG=str(file)), "cannot connect to 127.0.0.1:1")


def test_an_api_server_without_tls(forks: Forks, tmp_path: Path) -> None:
    with answering(200) as url:
        file = kubeconfig(tmp_path / "kubeconfig", url.replace("http:", "https:"))
        judge(run_all(forks, KUBECONFIG=str(file)), "cannot connect to 127.0.0.1")


@pytest.mark.parametrize("text", ["", "a: {", "apiVersion: v1\nkind: Config\ncontexts: []\n"])
def test_a_kubeconfig_that_says_nothing(forks: Forks, tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken"
    file.write_text(text)
    judge(run_all(forks, f"--kubeconfig={file}"), str(file))


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        (("--kubeconfig=/none",), {}, "/none"),
        ((), {"KUBECONFIG": "/none"}, "/none"),
        ((), {}, "give --kubeconfig or set KUBECONFIG"),
    ],
)
def test_no_kubeconfig(
    forks: Forks, flags: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    judge(run_all(forks, *flags, **environ), said)


def test_a_context_that_is_not_there(forks: Forks, tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    judge(run_all(forks, f"--kubeconfig={file}", "--context=nope"), "nope")
