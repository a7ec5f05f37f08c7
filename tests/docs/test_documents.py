"""What the documents tell people to type exists, and what they link to is there."""

import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from linkerd.cli.main import cli
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from tests.support.manifests import of_kind, parse

GUIDES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MANUALS = sorted(f for room in ("services", "dataplane") for f in ROOT.glob(f"{room}/*/README.md"))
DOCUMENTS = GUIDES + MANUALS  # manuals name upstream's flags too
INDENTED = re.compile(r"^ {4}(?=\S)(.*)$", re.MULTILINE)
FENCED = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
SHELL_ENDS = {"|", "&&", ";", ">", "&", "#", "\\"}

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))


def code(text: str) -> Iterator[str]:
    """Every line of code in a document."""
    for block in FENCED.findall(text):
        yield from block.splitlines()
    prose = FENCED.sub("", text)
    yield from INDENTED.findall(prose)
    yield from INLINE.findall(prose)


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of every call of `program` in the code of a document; inside $( ) too."""
    for line in code(text):
        for start in re.finditer(rf"(?:^|\$\(|/|=\S* ){re.escape(program)} ", line):
            rest = line[start.end() :].split(")")[0]
            words: list[str] = []
            for word in shlex.split(rest.replace('"', " "), posix=False):
                if word in SHELL_ENDS:
                    break
                words.append(word)
            yield words


def resolve(words: list[str]) -> None:
    """Walk the command line as click would; raises click.ClickException for what is not there."""
    group: click.Command = cli
    context = click.Context(cli, info_name="linkerd")
    while isinstance(group, click.Group) and words:
        word, *rest = words
        if word.startswith("-") or word.isupper() or word == "...":
            return
        found = group.get_command(context, word)
        if found is None:
            raise click.UsageError(f"no command {word!r}")
        group, words, context = found, rest, click.Context(found, parent=context, info_name=word)
    known = {
        name
        for parameter in group.get_params(context)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    if not group.context_settings.get("ignore_unknown_options"):
        given = {word.partition("=")[0] for word in words if word.startswith("-")}
        if unknown := given - known - {"--help", "-h"}:
            raise click.UsageError(f"{group.name} has no {sorted(unknown)}")


@pytest.mark.parametrize("document", GUIDES, ids=lambda d: str(d.relative_to(ROOT)))
def test_linkerd_commands_exist(document: Path) -> None:
    for words in commands(document.read_text(), "linkerd"):
        try:
            resolve(words)
        except click.ClickException as error:
            pytest.fail(f"linkerd {' '.join(words)}: {error.message}")


@documents
def test_make_verbs_exist(document: Path) -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in commands(document.read_text(), "make"):
        used = {word for word in words if re.fullmatch(r"[a-z-]+", word)}
        assert used <= verbs


@documents
def test_services_exist(document: Path) -> None:
    named = set(re.findall(r"python -m (services\.[a-z_]+)", document.read_text()))
    for name in named - {"services.board"}:  # which CONTRIBUTING has the code of, for its own test
        assert find_spec(f"{name}.__main__") is not None


@documents
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_every_verb_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY: ([a-z-]+)\n\1:.* ## ", makefile, re.MULTILINE)
    assert phony == re.findall(r"^\.PHONY: ([a-z-]+)", makefile, re.MULTILINE)


def test_the_overlay_in_the_documents_renders(tmp_path: Path) -> None:
    """As it is written there, two folders below the tree."""
    text = (ROOT / "docs" / "deploying.md").read_text()
    (overlay,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    mine = tmp_path / "overlays" / "mine"
    mine.mkdir(parents=True)
    (mine / "kustomization.yaml").write_text(overlay)
    for deployment in of_kind(parse(Kubectl().render(mine)), "Deployment"):
        assert deployment.containers[0]["image"] == "registry.example/linkerd-py:0.1.0"
