"""The build makes the stubs: a wheel carries them, an editable install leaves them in the tree."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = [
    "LICENSE",
    "MANIFEST.in",
    "linkerd/__init__.py",
    "linkerd/py.typed",
    "protos",
    "pyproject.toml",
    "services/__init__.py",
    "setup.py",
    "tools/generate_stubs.py",
]
STUBS = ["proxy/destination_pb2.py", "proxy/destination_pb2_grpc.pyi", "viz/viz_pb2.pyi"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the build needs of a fresh clone, and nothing that earlier builds left here."""
    tree = tmp_path / "tree"
    for part in PARTS:
        (tree / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tree / part)
    (tree / "README.md").write_text("# linkerd-py\n")
    return tree


def build(tree: Path, hook: str) -> Path:
    """Call a hook of the build backend, as pip does; return the wheel."""
    code = f"from setuptools import build_meta; print(build_meta.{hook}('dist'))"
    (tree / "dist").mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return tree / "dist" / done.stdout.splitlines()[-1]


def test_wheel_carries_the_stubs_and_the_tree_stays_clean(checkout: Path) -> None:
    with zipfile.ZipFile(build(checkout, "build_wheel")) as wheel:
        names = set(wheel.namelist())
    assert {f"linkerd/stubs/{stub}" for stub in STUBS} | {"linkerd/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tools/", "protos/", "tests/"))]
    assert not (checkout / "linkerd" / "stubs").exists()


def test_editable_install_leaves_the_stubs_in_the_tree(checkout: Path) -> None:
    build(checkout, "build_editable")
    assert [stub for stub in STUBS if not (checkout / "linkerd" / "stubs" / stub).is_file()] == []
