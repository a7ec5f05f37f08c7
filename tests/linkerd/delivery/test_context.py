"""What goes into the image: pinned wheels and the project as it is now."""

import shutil
import zipfile
from pathlib import Path

import pytest

from linkerd.delivery.context import (
    context_digest,
    dependencies,
    dependency_folder,
    prepare_context,
    project_wheel,
)
from linkerd.delivery.tree import ROOT, WHEEL_SOURCES, source_files
from linkerd.local.progress import SilentProgress


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


def test_every_dependency_is_pinned() -> None:
    assert dependencies(ROOT)
    for requirement in dependencies(ROOT):
        assert "==" in requirement


def test_constraints_pin_what_the_project_asks_for() -> None:
    pins = (ROOT / "requirements" / "constraints.txt").read_text().lower().replace("_", "-")
    pinned = set(pins.splitlines())
    for requirement in dependencies(ROOT):
        wanted = requirement.partition(";")[0].strip().lower().replace("_", "-")
        assert wanted in pinned


def test_wheel_follows_the_sources(tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    extra = tree / "linkerd" / "passing.py"
    extra.write_text("")
    with_extra = project_wheel(tree, cache, SilentProgress())
    assert {"linkerd/passing.py", "services/identity/app.py"} <= modules(with_extra)
    assert "linkerd/stubs/proxy/destination_pb2.py" in modules(with_extra)
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
    before = {f: f.stat().st_mtime_ns for f in context.rglob("*")}
    prepare_context(tree, cache, SilentProgress())
    assert {f: f.stat().st_mtime_ns for f in context.rglob("*")} == before


@pytest.mark.parametrize(
    "name", ["services/identity/app.py", "deploy/images/Containerfile", "protos/proxy/net.proto"]
)
def test_digest_follows_what_the_build_reads(tree: Path, name: str) -> None:
    before = context_digest(tree)
    with (tree / name).open("a") as file:
        file.write("\n")
    assert context_digest(tree) != before
