"""tools/generate_stubs.py: what it writes, when it writes, what it leaves alone when it fails."""

import importlib.util
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "generate_stubs.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_stubs", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stubs = load()

NAME = 'syntax = "proto3";\npackage t.name;\nmessage Name { string text = 1; }\n'
GREET = """syntax = "proto3";
package t.greet;
import "a/name.proto";
service Greeter { rpc Greet(name.Name) returns (stream name.Name); }
"""


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    folder = tmp_path / "protos" / "a"
    folder.mkdir(parents=True)
    (folder / "name.proto").write_text(NAME)
    (folder / "greet.proto").write_text(GREET)
    return folder.parent


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "linkerd" / "stubs"


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_stubs_in_place_are_those_of_the_protos(tmp_path: Path) -> None:
    stubs.generate(target=tmp_path)
    assert contents(tmp_path) == contents(stubs.TARGET), "run: python tools/generate_stubs.py"


def test_modules_of_messages_and_services(protos: Path, target: Path) -> None:
    assert stubs.generate(protos, target)
    assert sorted(contents(target)) == [
        ".inputs",
        "__init__.py",
        "a/__init__.py",
        "a/greet_pb2.py",
        "a/greet_pb2.pyi",
        "a/greet_pb2_grpc.py",
        "a/greet_pb2_grpc.pyi",
        "a/name_pb2.py",
        "a/name_pb2.pyi",
    ]


def test_modules_import_and_name_each_other_inside_the_package(protos: Path, target: Path) -> None:
    stubs.generate(protos, target)
    (target.parent / "__init__.py").touch()
    code = (
        "from linkerd.stubs.a import greet_pb2, greet_pb2_grpc, name_pb2;"
        "print(name_pb2.Name.__module__, greet_pb2.DESCRIPTOR.dependencies[0].name)"
    )
    shown = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=target.parents[1],
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path != str(ROOT))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split() == ["linkerd.stubs.a.name_pb2", "a/name.proto"]


def test_nothing_is_written_while_inputs_are_the_same(protos: Path, target: Path) -> None:
    stubs.generate(protos, target)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    assert not stubs.generate(protos, target)
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before


def test_a_changed_proto_is_generated_again(protos: Path, target: Path) -> None:
    stubs.generate(protos, target)
    (protos / "a" / "name.proto").write_text(NAME.replace("text", "words"))
    assert stubs.generate(protos, target)
    assert "words" in (target / "a" / "name_pb2.pyi").read_text()


def test_a_lost_module_is_generated_again(protos: Path, target: Path) -> None:
    stubs.generate(protos, target)
    before = contents(target)
    (target / "a" / "name_pb2.py").unlink()
    assert stubs.generate(protos, target)
    assert contents(target) == before


def test_a_module_without_source_goes(protos: Path, target: Path) -> None:
    stubs.generate(protos, target)
    (protos / "a" / "greet.proto").unlink()
    assert stubs.generate(protos, target)
    assert not [name for name in contents(target) if "greet" in name]


def test_output_is_the_same_wherever_it_is_made(protos: Path, target: Path) -> None:
    elsewhere = target.parent / "other"
    copy = shutil.copytree(protos, elsewhere / "protos")
    stubs.generate(protos, target)
    stubs.generate(copy, elsewhere / "out")
    assert contents(elsewhere / "out") == contents(target)


def test_a_faulty_proto_is_named_and_the_last_stubs_stay(protos: Path, target: Path) -> None:
    stubs.generate(protos, target)
    before = contents(target)
    (protos / "a" / "name.proto").write_text(NAME.replace("string", "strin"))
    with pytest.raises(stubs.GenerationError, match=r'a/name\.proto.*"strin" is not defined'):
        stubs.generate(protos, target)
    assert contents(target) == before


def test_no_protos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(stubs.GenerationError, match=r"no \.proto file under"):
        stubs.generate(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("place", [".", "a/b"])
def test_a_proto_at_another_depth_is_an_error(protos: Path, target: Path, place: str) -> None:
    (protos / place).mkdir(exist_ok=True)
    (protos / place / "stray.proto").write_text(NAME)
    with pytest.raises(stubs.GenerationError, match=r"stray\.proto: move it"):
        stubs.generate(protos, target)


def test_runs_at_the_same_time_do_no_harm(protos: Path, target: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: stubs.generate(protos, target), range(4)))
    stubs.generate(protos, tmp_path / "alone")
    assert contents(target) == contents(tmp_path / "alone")


def test_command_line_reports_and_fails_plainly(
    protos: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--protos", str(protos), "--target", str(target)]
    assert stubs.main(command) == 0
    assert stubs.main(command) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{target}: generated",
        f"{target}: up to date",
    ]
    (protos / "a" / "name.proto").write_text("nonsense")
    assert stubs.main(command) == 1
    assert "a/name.proto" in capsys.readouterr().err
