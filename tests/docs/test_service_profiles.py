"""docs/service-profiles.md, followed word by word as far as it needs no cluster."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from linkerd.cli.main import cli
from linkerd.delivery.tree import ROOT
from linkerd.profiles.validation import validate_document

TEXT = (ROOT / "docs" / "service-profiles.md").read_text()
SWAGGER, PROFILE = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^    linkerd (profile .*)$", TEXT, re.MULTILINE)


def run(command: str) -> str:
    answer = CliRunner().invoke(cli, shlex.split(command))
    assert answer.exit_code == 0, answer.output
    validate_document(answer.stdout.encode())
    return answer.stdout


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files that the document speaks of."""
    monkeypatch.chdir(tmp_path)
    Path("bank.swagger.yaml").write_text(SWAGGER)
    Path("bank.proto").write_text("service Bank { rpc Open (A) returns (B); }")


def test_what_is_printed_is_what_the_document_shows() -> None:
    assert run(COMMANDS[0]) == PROFILE


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda c: c.split()[1])
def test_the_others_print_profiles(command: str) -> None:
    """Whatever domain a cluster may have."""
    profile = yaml.safe_load(run(f"{command} --ignore-cluster"))
    assert profile["metadata"] == {"name": "bank.fin.svc.cluster.local", "namespace": "fin"}
    assert profile["spec"]["routes"]
