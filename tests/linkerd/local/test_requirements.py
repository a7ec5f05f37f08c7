"""What the machine lacks, in a sentence each."""

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from linkerd.local import packages, requirements
from linkerd.local.cluster import LocalCluster
from linkerd.local.errors import (
    AddressError,
    LocalError,
    MissingProgramError,
    PrivilegeError,
    ResourceError,
)
from linkerd.local.packages import Need, ensure, missing
from linkerd.local.ports import choose_port, is_free, require_free
from linkerd.local.progress import SilentProgress
from linkerd.local.requirements import node_obstacle, require_memory, require_node
from linkerd.local.system import CommandError, run, system_path

GHOST = Need("no-such-program", "no-such-package", "haunts")


def test_memory() -> None:
    require_memory(1 << 30, available=2 << 30)
    with pytest.raises(ResourceError, match="1024 MiB of memory and 512 MiB"):
        require_memory(1 << 30, available=1 << 29)


def test_node_elsewhere_than_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert "Linux only" in (node_obstacle() or "")


def test_node_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(PrivilegeError, match=r"needs root.*--api-only"):
        require_node()


def test_refused_node_leaves_no_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(PrivilegeError):
        LocalCluster(tmp_path / "state").up()

    assert list(tmp_path.iterdir()) == []


def test_node_without_packages_off_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "NODE_NEEDS", (GHOST,))
    monkeypatch.setattr(requirements, "can_install", lambda: False)

    assert "no-such-package" in (node_obstacle() or "")


def test_needs_are_found_by_name_and_by_path(tmp_path: Path) -> None:
    program = tmp_path / "tool"
    program.touch(mode=0o700)

    assert Need(str(program), "p", "w").path == program
    assert Need("sh", "dash", "w").path is not None
    assert missing((Need(str(tmp_path / "none"), "p", "w"), Need("sh", "dash", "w"), GHOST)) == [
        Need(str(tmp_path / "none"), "p", "w"),
        GHOST,
    ]


def test_missing_package_is_named_with_its_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "can_install", lambda: False)

    with pytest.raises(MissingProgramError, match=r"no-such-package \(haunts\)"):
        ensure((GHOST,), SilentProgress())


def test_nothing_is_installed_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "can_install", lambda: False)

    ensure((Need("sh", "dash", "runs scripts"),), SilentProgress())


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("apt-get") is None, reason="apt-get needs root on Debian"
)
def test_package_that_debian_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_update", lambda: None)

    with pytest.raises(MissingProgramError, match=r"apt-get .* failed: .*no-such-package"):
        ensure((GHOST,), SilentProgress())


def test_busy_port_names_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert not is_free("127.0.0.1", port)
        with pytest.raises(AddressError, match=rf"port {port} .* by .*{os.getpid()}.*--port"):
            require_free("127.0.0.1", port, "--port")
    assert require_free("127.0.0.1", port, "--port") == port


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_port_out_of_range(port: int) -> None:
    with pytest.raises(AddressError, match="between 1 and 65535"):
        require_free("127.0.0.1", port, "--port")


def test_chosen_ports_differ_and_are_free() -> None:
    taken: set[int] = set()
    for _ in range(20):
        port = choose_port("127.0.0.1", taken)
        assert port not in taken
        assert is_free("127.0.0.1", port)
        taken.add(port)


def test_no_port_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linkerd.local.ports.is_free", lambda *_: False)

    with pytest.raises(AddressError, match="is free"):
        choose_port("127.0.0.1", set())


def test_failed_command_says_its_last_line() -> None:
    with pytest.raises(CommandError) as raised:
        run("sh", "-c", "echo first >&2; echo last >&2; exit 3")

    assert raised.value.said == "last"
    assert run("sh", "-c", "exit 3", check=False) == ""


def test_command_that_does_not_exist() -> None:
    with pytest.raises(LocalError, match="cannot be run"):
        run("/no/such/program")


def test_system_folders_are_reached_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")

    assert "/usr/sbin" in system_path().split(":")
