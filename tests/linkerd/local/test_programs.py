"""Where the programs come from, and what is said when they come from nowhere."""

import shutil
import stat
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from linkerd.local import build, programs
from linkerd.local.build import find_go, go_version, version_flags
from linkerd.local.errors import BuildError, MissingProgramError, ResourceError
from linkerd.local.programs import (
    ASSETS_VARIABLE,
    CONTROL_PLANE,
    MULTICALL,
    SOURCES,
    cache_folder,
    find_program,
    locate,
    source_digest,
)
from linkerd.local.progress import SilentProgress

Disk = namedtuple("Disk", ["free"])  # noqa: PYI024 - stands for the tuple of shutil.disk_usage


def make_program(file: Path, script: str = "exit 0") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(stat.S_IRWXU)
    return file


def test_assets_are_taken_when_named(tmp_path: Path) -> None:
    for name in CONTROL_PLANE:
        make_program(tmp_path / name)

    found = locate(CONTROL_PLANE, SilentProgress(), {ASSETS_VARIABLE: str(tmp_path)})

    assert {found[name] for name in CONTROL_PLANE} == {tmp_path / name for name in CONTROL_PLANE}


@pytest.mark.parametrize("kind", ["absent", "not executable"])
def test_missing_asset_is_named(tmp_path: Path, kind: str) -> None:
    for name in CONTROL_PLANE:
        make_program(tmp_path / name)
    (tmp_path / "etcd").unlink() if kind == "absent" else (tmp_path / "etcd").chmod(0o600)

    with pytest.raises(MissingProgramError, match=r"no executable etcd.*unset the variable"):
        locate(CONTROL_PLANE, SilentProgress(), {ASSETS_VARIABLE: str(tmp_path)})


def test_cached_build_is_taken(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    folder = tmp_path / "linkerd-py" / f"kubernetes-{source_digest()}"
    for name in MULTICALL:
        make_program(folder / name)

    assert locate(("etcd", "kubelet"), SilentProgress(), environ)["etcd"] == folder / "etcd"
    assert find_program("coredns", environ) == folder / "coredns"


def test_program_without_a_build_is_looked_for_on_path(tmp_path: Path) -> None:
    kubectl = make_program(tmp_path / "bin" / "kubectl")
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(kubectl.parent)}

    assert find_program("kubectl", environ) == kubectl
    assert find_program("kubelet", environ) is None


def test_no_sources_and_no_assets_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "SOURCES", tmp_path / "nowhere")

    with pytest.raises(MissingProgramError, match=ASSETS_VARIABLE):
        locate(CONTROL_PLANE, SilentProgress(), {"XDG_CACHE_HOME": str(tmp_path)})


def test_digest_follows_the_sources(tmp_path: Path) -> None:
    copy = shutil.copytree(SOURCES, tmp_path / "copy")
    first = source_digest(copy)

    (copy / "notes.txt").write_text("no source")
    assert source_digest(copy) == first == source_digest()

    with (copy / "pause" / "main.go").open("a") as file:
        file.write("// more\n")
    assert source_digest(copy) != first


def test_cache_is_where_the_user_keeps_caches() -> None:
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/linkerd-py")
    assert cache_folder({}) == Path.home() / ".cache" / "linkerd-py"


def test_programs_report_the_version_that_is_required() -> None:
    flags = version_flags((SOURCES / "go.mod").read_text())

    assert "-X k8s.io/component-base/version.gitVersion=v1.35.4" in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=35" in flags


def test_unknown_version_is_not_built() -> None:
    with pytest.raises(BuildError, match="version is unknown"):
        version_flags("module x\n\nrequire k8s.io/api v0.35.4\n")


@pytest.mark.parametrize(
    ("said", "expected"),
    [("go1.26.8", (1, 26)), ("go1.25rc1", (1, 25)), ("devel go1.27-abc", (0, 0)), ("", (0, 0))],
)
def test_go_version(tmp_path: Path, said: str, expected: tuple[int, int]) -> None:
    go = make_program(tmp_path / "go", f"echo '{said}'")

    assert go_version(str(go)) == expected


def test_old_go_is_passed_over_for_the_wheel(tmp_path: Path) -> None:
    make_program(tmp_path / "bin" / "go", "echo go1.19.8")
    folder = build.pinned_go(SOURCES / "go-wheel.txt").replace("==", "-")
    wheel = make_program(tmp_path / folder / "go" / "bin" / "go")

    found = find_go(SOURCES, tmp_path, SilentProgress(), {"PATH": str(tmp_path / "bin")})

    assert found == wheel


def test_recent_go_is_used(tmp_path: Path) -> None:
    go = make_program(tmp_path / "bin" / "go", "echo go1.99.0")

    assert find_go(SOURCES, tmp_path, SilentProgress(), {"PATH": str(go.parent)}) == go


def test_failed_build_says_what_the_compiler_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "sources"
    broken.mkdir()
    (broken / "go.mod").write_text("module x\n\ngo 1.25\n\nrequire k8s.io/kubernetes v1.35.4\n")
    script = 'case $1 in env) echo go1.99;; *) echo "main.go:1: syntax error" >&2; exit 1;; esac'
    go = make_program(tmp_path / "bin" / "go", script)
    monkeypatch.setattr(build, "_require_room", lambda _: None)

    with pytest.raises(BuildError, match=r"main\.go:1: syntax error"):
        build.build(
            broken,
            tmp_path / "out",
            cache=tmp_path,
            progress=SilentProgress(),
            environ={"PATH": str(go.parent)},
        )


def test_build_without_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(free=1 << 20))

    with pytest.raises(ResourceError, match="GiB of disk"):
        build.build(
            SOURCES, tmp_path / "out", cache=tmp_path, progress=SilentProgress(), environ={}
        )


def test_sources_are_formatted() -> None:
    if (gofmt := shutil.which("gofmt")) is None:
        pytest.skip("gofmt is not on PATH")
    done = subprocess.run([gofmt, "-l", SOURCES], capture_output=True, text=True, check=True)

    assert done.stdout == ""
