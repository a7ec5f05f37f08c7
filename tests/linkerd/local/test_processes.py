"""Processes that outlive us: found again, told apart from who has their pid later, and ended."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.local.processes import (
    Entry,
    Identity,
    Ledger,
    find_marked,
    identify,
    is_alive,
    spawn,
    stop,
    wait_ended,
)

MARK = "LINKERD_TEST_MARK"


@dataclass
class Starter:
    """Starts shell scripts detached, and ends what is left."""

    folder: Path
    started: list[Identity] = field(default_factory=list)

    def __call__(self, script: str, mark: str = "") -> Identity:
        process = spawn(
            ["/bin/sh", "-c", script],
            env={"PATH": "/usr/bin:/bin", MARK: mark},
            cwd=self.folder,
            log=self.log,
        )
        self.started.append(process)
        return process

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def wait_said(self, text: str) -> None:
        deadline = time.monotonic() + 10
        while text not in self.log.read_text():
            assert time.monotonic() < deadline, f"never said {text!r}"
            time.sleep(0.005)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for process in starter.started:
        stop(process, grace=0)


def test_started_process_is_detached_and_logged(start: Starter) -> None:
    process = start("pwd; echo $PPID; ps -o sid= -p $$; exec sleep 60")
    start.wait_said("\n")

    assert is_alive(process)
    assert os.getsid(process.pid) == process.pid
    assert start.log.read_text().startswith(str(start.folder))
    assert start.log.stat().st_mode & 0o777 == 0o600


def test_process_that_ended_is_not_alive_and_no_zombie(start: Starter) -> None:
    process = start("exit 3")

    assert wait_ended(process, seconds=10)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_stop_asks_first(start: Starter) -> None:
    process = start("trap 'echo told; exit' TERM; echo up; while :; do sleep 0.01; done")
    start.wait_said("up")

    stop(process, grace=10)

    assert not is_alive(process)
    assert "told" in start.log.read_text()


def test_stop_does_not_take_no(start: Starter) -> None:
    process = start("trap '' TERM; echo up; while :; do sleep 0.01; done")
    start.wait_said("up")

    stop(process, grace=0.05)

    assert not is_alive(process)


def test_pid_that_was_given_to_another_is_left_alone(start: Starter) -> None:
    other = start("exec sleep 60")
    former = Identity(other.pid, "of an earlier time")

    stop(former, grace=0)

    assert not is_alive(former)
    assert is_alive(other)


@pytest.mark.parametrize("name", ["sh", "a) b", "x (y"])
def test_identity_survives_any_program_name(tmp_path: Path, name: str) -> None:
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as child:
        try:
            first = identify(child.pid)
            assert first is not None
            assert first == identify(child.pid)
            assert first.began.rpartition(":")[2].isdigit()
        finally:
            child.send_signal(signal.SIGKILL)


def test_two_processes_differ(start: Starter) -> None:
    assert start("exec sleep 60") != start("exec sleep 60")


def test_marked_processes_are_found_by_exact_value(start: Starter) -> None:
    mine = start("exec sleep 60", mark="/state/one")
    start("exec sleep 60", mark="/state/one-more")

    assert find_marked(MARK, "/state/one") == [mine]


def test_large_log_is_put_aside(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linkerd.local.processes._LOG_LIMIT_BYTES", 10)
    start.log.write_text("x" * 100)

    start("echo new")
    start.wait_said("new")

    assert start.log.read_text() == "new\n"
    assert (start.folder / "log.log.1").read_text() == "x" * 100


names = st.from_regex(r"[a-z][a-z-]{0,12}", fullmatch=True)
entries = st.builds(
    Entry,
    process=st.builds(Identity, pid=st.integers(1, 2**22), began=st.text(max_size=20)),
    fingerprint=st.text(max_size=20),
)


@given(steps=st.lists(st.tuples(names, st.none() | entries), max_size=12))
def test_ledger_remembers_what_was_recorded_last(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Entry | None]]
) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    expected: dict[str, Entry] = {}
    for name, entry in steps:
        if entry is None:
            Ledger(folder).forget(name)
            expected.pop(name, None)
        else:
            Ledger(folder).record(name, entry)
            expected[name] = entry

    ledger = Ledger(folder)

    assert ledger.names() == sorted(expected)
    assert {name: ledger.find(name) for name in expected} == expected


@pytest.mark.parametrize("content", ["", "{", '{"process": 1}', "null"])
def test_damaged_entry_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "etcd.json").write_text(content)

    assert Ledger(tmp_path).find("etcd") is None
