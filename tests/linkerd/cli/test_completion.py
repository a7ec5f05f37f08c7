"""What shells complete: commands, options, and names out of the cluster."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from linkerd.cli.main import cli
from linkerd.local.cluster import LocalCluster
from tests.support.canned_api import answering, kubeconfig
from tests.support.forked import Done, Forks, Run, forked_linkerd


@pytest.fixture
def forks(tmp_path: Path) -> Iterator[Forks]:
    with forked_linkerd(tmp_path) as forks:
        yield forks


def start(forks: Forks, words: str, shell: str = "bash") -> Run:
    """The program as the script of a shell asks it; the last word is being typed."""
    typed = words.split(" ")
    last = typed[-1] if shell == "fish" else str(len(typed) - 1)
    environ = {"COMP_WORDS": words, "COMP_CWORD": last}
    return forks.start(**environ, _LINKERD_COMPLETE=f"{shell}_complete")


def completed(forks: Forks, words: str) -> list[str]:
    return words_of(start(forks, words).done())


def words_of(done: Done) -> list[str]:
    assert (done.code, done.errors) == (0, ""), done
    return [line.partition(",")[2] for line in done.output.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("linkerd di", ["diagnostics"]),
        ("linkerd diagnostics e", ["endpoints"]),
        ("linkerd dg p", ["policy", "profile", "proxy-metrics"]),
        ("linkerd identity i", ["issuer"]),
        ("linkerd -L x --verbose dg endp", ["endpoints"]),
        ("linkerd help diagnostics end", ["endpoints"]),
        ("linkerd help nope end", []),
        ("linkerd local kube", ["kubeconfig", "kubectl"]),
        ("linkerd completion ", ["bash", "zsh", "fish"]),
        ("linkerd check -o ", ["table", "short", "json"]),
        ("linkerd dg endpoints --as-g", ["--as-group"]),
        ("linkerd --con", ["--context"]),
    ],
)
def test_commands_and_options(forks: Forks, words: str, expected: list[str]) -> None:
    assert completed(forks, words) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(forks: Forks, shell: str) -> None:
    done = start(forks, "linkerd diagnostics endp", shell).done()
    assert (done.code, done.errors) == (0, "")
    assert "plain" in done.output
    assert "endpoints" in done.output


def test_in_bash() -> None:
    program = Path(sys.executable).with_name("linkerd")
    script = (
        "source <(linkerd completion bash)\n"
        "COMP_WORDS=(linkerd diagnostics endp) COMP_CWORD=2\n"
        '_linkerd_completion linkerd\necho "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
    )
    assert (done.stdout, done.stderr) == ("endpoints\n", "")


@pytest.fixture(scope="module")
def populated(api_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """Two namespaces with a service, a pod and a deployment."""
    labels = {"app": "web"}
    spec = {"containers": [{"name": "web", "image": "x"}]}
    with api_cluster.api() as api:
        for namespace in ("tab-one", "tab-two"):
            root = f"/api/v1/namespaces/{namespace}"
            api.apply(root, {"apiVersion": "v1", "kind": "Namespace",
                             "metadata": {"name": namespace}})  # fmt: skip
            ports = [{"name": "http", "port": 80}, {"name": "admin", "port": 9990}]
            api.apply(f"{root}/services/web", {
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
                "spec": {"selector": labels, "ports": ports},
            })  # fmt: skip
            api.apply(f"{root}/pods/web-1", {
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "labels": labels},
                "spec": spec,
            })  # fmt: skip
            api.apply(f"/apis/apps/v1/namespaces/{namespace}/deployments/web-app", {
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web-app"},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": spec},
                },
            })  # fmt: skip
        yield api_cluster
        for namespace in ("tab-one", "tab-two"):
            api.request("DELETE", f"/api/v1/namespaces/{namespace}")


@pytest.mark.integration
def test_names_out_of_the_cluster(
    forks: Forks, populated: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(populated.kubeconfig))
    web = "web.tab-two.svc.cluster.local"
    for words, expected in {
        "linkerd check -n tab-": ["tab-one", "tab-two"],
        "linkerd -L tab-t": ["tab-two"],
        "linkerd dg endpoints web.tab-two": [f"{web}:80", f"{web}:9990"],
        f"linkerd dg profile {web}": [f"{web}:80", f"{web}:9990"],
        "linkerd identity -n tab-one w": ["web-1"],
        "linkerd dg proxy-metrics -n tab-one dep": ["deployment/"],
        "linkerd dg proxy-metrics -n tab-one deploy/": ["deploy/web-app"],
        "linkerd dg proxy-metrics -n tab-one nope/": [],
        "linkerd profile -n tab-two --template w": ["web"],
    }.items():
        assert completed(forks, words) == expected, words


def test_contexts(forks: Forks, tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    assert completed(forks, f"linkerd --kubeconfig {file} --context h") == ["here"]
    content = yaml.safe_load(file.read_text())
    for broken in ("", "[", "contexts: [1]", yaml.safe_dump(content | {"contexts": None})):
        file.write_text(broken)
        assert completed(forks, f"linkerd --kubeconfig {file} --context h") == []


@pytest.mark.parametrize("answer", [401, "hang", "<html>"])
def test_a_cluster_that_does_not_help(forks: Forks, tmp_path: Path, answer: int | str) -> None:
    """Nothing is completed, and soon, and nothing is said."""
    with answering(answer) as url:
        file = kubeconfig(tmp_path / "kubeconfig", url)
        typed = ("check -n ", "dg endpoints ", "identity w", "dg proxy-metrics pod/")
        runs = [start(forks, f"linkerd --kubeconfig {file} {words}") for words in typed]
        assert [words_of(run.done()) for run in runs] == [[]] * len(typed)


def test_no_cluster(forks: Forks, tmp_path: Path) -> None:
    for words in ("check -n ", "dg endpoints ", "--context "):
        assert completed(forks, f"linkerd --kubeconfig {tmp_path}/none {words}") == []


def test_completion_of_another_shell_is_refused() -> None:
    answer = CliRunner().invoke(cli, ["completion", "tcsh"])
    assert answer.exit_code == 1
    assert "'bash', 'zsh', 'fish'" in answer.stderr
