"""What goes into the image: pinned wheels and the project as it is now."""

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest

from linkerd.delivery.context import (
    context_digest,
    dependency_folder,
    prepare_context,
    project_wheel,
)
from linkerd.delivery.tree import ROOT, WHEEL_SOURCES, source_files
from linkerd.local.progress import SilentProgress

LOCKS: Final = ("requirements/runtime.txt", "requirements/dev.txt", "tools/kubernetes/go-wheel.txt")
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())
DIRECT: Final[list[str]] = PROJECT["project"]["dependencies"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["project"]["optional-dependencies"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the image is made from, to change."""
    root = tmp_path / "tree"
    names = (*WHEEL_SOURCES, "requirements", "deploy/images")
    for file in source_files(ROOT, names):
        copy = root / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return root


def modules(folder: Path) -> set[str]:
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def locked(lock: str) -> dict[str, str]:
    """Every package of a lock as `name==version`, with what stands below it."""
    text = (ROOT / lock).read_text()
    parts = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    return {normal(part.split()[0]): part for part in parts}


def normal(requirement: str) -> str:
    return requirement.partition(";")[0].strip().lower().replace("_", "-")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_of_a_pinned_package_has_its_hash_and_no_address(lock: str) -> None:
    for package, below in locked(lock).items():
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", below), package
    assert "://" not in (ROOT / lock).read_text()


def test_locks_have_what_the_project_asks_for() -> None:
    runtime, development = map(locked, LOCKS[:2])
    assert {normal(each) for each in DIRECT} <= runtime.keys()
    assert not {normal(each) for each in EXTRAS["cli"]} & runtime.keys(), "no service needs them"
    asked = {*DIRECT, *EXTRAS["cli"], *EXTRAS["dev"], *PROJECT["build-system"]["requires"]}
    assert {normal(each) for each in asked} <= development.keys()
    assert runtime.items() <= development.items(), "the image has what tests have run with"


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    """As the image installs them: without a network, from a folder."""
    wheel = tmp_path / "six-1.17.0-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as content:
        content.writestr("six.py", "")
        content.writestr("six-1.17.0.dist-info/METADATA", "Name: six\nVersion: 1.17.0\n")
        content.writestr("six-1.17.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        content.writestr("six-1.17.0.dist-info/RECORD", "")
    pins = tmp_path / "requirements.txt"

    def install(line: str) -> subprocess.CompletedProcess[str]:
        pins.write_text(line)
        flags = installing()
        flags += [
            f"--find-links={tmp_path}",
            f"--requirement={pins}",
            f"--target={tmp_path / 'to'}",
        ]
        return subprocess.run(
            [sys.executable, "-m", "pip", "install", *flags],
            capture_output=True, text=True, check=False, env={"PIP_CONFIG_FILE": "/dev/null"},
        )  # fmt: skip

    assert "hash" in install(locked(LOCKS[0])["six==1.17.0"]).stderr.lower()
    own = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert install(f"six==1.17.0 --hash=sha256:{own}").returncode == 0


def installing() -> list[str]:
    """The flags of pip in the Containerfile that do not name a place."""
    text = (ROOT / "deploy/images/Containerfile").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"PIP install (.*--requirement\S*)", text)
    places = ("--find-links", "--requirement")
    return [word for word in command.split() if not word.startswith(places)]


def test_the_base_of_the_image_is_named_by_who_builds_it() -> None:
    """A tag would be another image every few days; the document shows how to find a digest."""
    text = (ROOT / "deploy/images/Containerfile").read_text()
    assert re.findall(r"^ARG BASE.*$", text, re.MULTILINE) == ["ARG BASE"]
    document = (ROOT / "docs/deploying.md").read_text()
    assert "--build-arg BASE=docker.io/library/python@sha256:" in document.replace("\\\n", "")


def test_wheel_follows_the_sources(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    extra = tree / "linkerd" / "passing.py"
    extra.write_text("")
    with_extra = project_wheel(tree, cache, SilentProgress())
    assert {"linkerd/passing.py", "services/identity/app.py"} <= modules(with_extra)
    assert "linkerd/stubs/proxy/destination_pb2.py" in modules(with_extra)
    rooms = {name.partition("/")[0] for name in modules(with_extra)}
    assert {name for name in rooms if "." not in name} == {"linkerd", "services", "dataplane"}
    extra.unlink()
    without = project_wheel(tree, cache, SilentProgress())
    assert "linkerd/passing.py" not in modules(without)
    assert not with_extra.exists(), "wheels of earlier sources are not kept"
    assert not (tree / "build").exists(), "nothing is built in the tree"


def test_context_is_filled_and_then_left_alone(tree: Path, tmp_path: Path) -> None:
    """With wheels that are there already: the image of the scenarios is made with the real ones."""
    cache = tmp_path / "cache"
    wheels = dependency_folder(tree, cache)
    wheels.mkdir(parents=True)
    (wheels / "a-1-py3-none-any.whl").write_text("a")

    context = prepare_context(tree, cache, SilentProgress())
    assert [f.name for f in (context / "wheels").iterdir()] == ["a-1-py3-none-any.whl"]
    assert (context / "controller").read_text().startswith("#!")
    assert (context / "requirements.txt").read_text() == (tree / LOCKS[0]).read_text()
    before = {f: f.stat().st_mtime_ns for f in context.rglob("*")}
    prepare_context(tree, cache, SilentProgress())
    assert {f: f.stat().st_mtime_ns for f in context.rglob("*")} == before


@pytest.mark.parametrize(
    "name",
    ["services/identity/app.py", "deploy/images/Containerfile", "protos/proxy/net.proto", LOCKS[0]],
)
def test_digest_follows_what_the_build_reads(tree: Path, name: str) -> None:
    before = context_digest(tree)
    with (tree / name).open("a") as file:
        file.write("\n")
    assert context_digest(tree) != before
