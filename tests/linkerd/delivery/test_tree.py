"""Digests change with what matters and with nothing else."""

from pathlib import Path

import pytest

from linkerd.delivery.errors import DeliveryError
from linkerd.delivery.tree import digest, require_tree, source_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, content in {
        "linkerd/a.py": "a",
        "linkerd/stubs/x_pb2.py": "made",
        "linkerd/__pycache__/a.pyc": "made",
        "pyproject.toml": "p",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


def of(tree: Path, *words: str) -> str:
    return digest(tree, source_files(tree), *words)


def test_generated_files_do_not_count(tree: Path) -> None:
    before = of(tree)
    (tree / "linkerd/stubs/x_pb2.py").write_text("made again")
    (tree / "linkerd/__pycache__/a.pyc").unlink()
    assert of(tree) == before
    assert [f.name for f in source_files(tree)] == ["pyproject.toml", "a.py"]


@pytest.mark.parametrize("change", ["content", "name", "word", "added"])
def test_sources_and_words_count(tree: Path, change: str) -> None:
    before = of(tree, "one")
    match change:
        case "content":
            (tree / "linkerd/a.py").write_text("b")
        case "name":
            (tree / "linkerd/a.py").rename(tree / "linkerd/b.py")
        case "added":
            (tree / "linkerd/empty.py").write_text("")
    assert of(tree, "two" if change == "word" else "one") != before


def test_content_cannot_pose_as_another_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\0b\0001\0y")
    (tmp_path / "b").write_text("y")
    joined = digest(tmp_path, [tmp_path / "a"])
    (tmp_path / "a").write_text("x")
    assert digest(tmp_path, [tmp_path / "a", tmp_path / "b"]) != joined


def test_a_folder_that_is_no_clone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="not a clone"):
        require_tree(tmp_path)
