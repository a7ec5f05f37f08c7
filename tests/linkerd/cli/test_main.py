"""The `linkerd` command: commands found by their modules, help, errors in one line."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import linkerd.cli
from linkerd.cli import version as version_command
from linkerd.cli.main import cli
from linkerd.version import VERSION


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def modules() -> set[str]:
    folder = Path(next(iter(linkerd.cli.__path__)))
    names = {file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")}
    return {name.replace("_", "-") for name in names - {"main"}}


def test_every_module_is_a_command_that_explains_itself(runner: CliRunner) -> None:
    listed = cli.list_commands(click.Context(cli))

    assert set(listed) == modules()
    for name in listed:
        answer = runner.invoke(cli, [name, "--help"])
        assert answer.exit_code == 0, name
        assert "Usage:" in answer.output


def test_help_lists_commands_and_first_steps(runner: CliRunner) -> None:
    answer = runner.invoke(cli, ["-h"])

    assert answer.exit_code == 0
    assert "linkerd local up" in answer.output
    for name in ("local", "version", "completion"):
        assert f"  {name} " in answer.output


@pytest.mark.parametrize("name", ["nope", "main", "_control-plane", "", "os.path"])
def test_unknown_command(runner: CliRunner, name: str) -> None:
    answer = runner.invoke(cli, [name])

    assert answer.exit_code == 1
    assert "No such command" in answer.output


def test_naming_one_command_imports_no_other() -> None:
    script = (
        "import sys\n"
        "from linkerd.cli.main import cli\n"
        "cli(['version', '--client'], standalone_mode=False)\n"
        "names = (m for m in sys.modules if m.startswith('linkerd.cli.'))\n"
        "print(sorted(m for m in names if not m.startswith('linkerd.cli._')))\n"
        "print('aiohttp' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert "['linkerd.cli.main', 'linkerd.cli.version']\nFalse" in done.stdout


def test_error_is_one_line_without_a_traceback(runner: CliRunner, tmp_path: Path) -> None:
    answer = runner.invoke(cli, ["local", "kubeconfig", "--state", str(tmp_path / "none")])

    assert answer.exit_code == 1
    assert answer.output.startswith("Error: there is no cluster in ")
    assert answer.output.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], f"Client version: {VERSION}\n"),
        (["--short"], f"{VERSION}\n"),
        (["-o", "short"], f"{VERSION}\n"),
    ],
)
def test_client_version(runner: CliRunner, arguments: list[str], expected: str) -> None:
    answer = runner.invoke(cli, ["version", "--client", *arguments])

    assert (answer.exit_code, answer.output) == (0, expected)


@pytest.mark.parametrize("kubeconfig", ["missing", "garbage", "nobody listens"])
def test_server_version_without_a_cluster_is_no_error(
    runner: CliRunner, tmp_path: Path, kubeconfig: str
) -> None:
    file = tmp_path / "kubeconfig"
    if kubeconfig == "garbage":
        file.write_text("{{{")
    elif kubeconfig == "nobody listens":
        file.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n"
            "users: [{name: u, user: {}}]\n"
            "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
        )
    answer = runner.invoke(cli, ["version", "-o", "json", "--kubeconfig", str(file)])

    assert answer.exit_code == 0
    assert json.loads(answer.output) == {"client": VERSION, "server": "unavailable"}


def test_several_versions_are_all_said() -> None:
    text = version_command.render({"client": "1", "server": "1, 2"}, "text")

    assert text == "Client version: 1\nServer version: 1, 2"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_our_command(runner: CliRunner, shell: str) -> None:
    answer = runner.invoke(cli, ["completion", shell])

    assert answer.exit_code == 0
    assert "_LINKERD_COMPLETE" in answer.output
    assert "linkerd" in answer.output
