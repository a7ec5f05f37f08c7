"""Components are started once, told apart when changed, and their last words are found."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkerd.local.component import Component, http_probe
from linkerd.local.errors import ComponentError
from linkerd.local.processes import find_marked
from linkerd.local.runner import MARK, Condition, Loopback, Runner, telling_line
from linkerd.local.state import State


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.create(api_only=True)
    return state


@pytest.fixture
def runner(state: State) -> Iterator[Runner]:
    runner = Runner(state, Loopback())
    yield runner
    runner.stop_all((), grace=0)


def script(text: str, *, ready: bool = True, patience: float = 10) -> Component:
    return Component("thing", ("/bin/sh", "-c", text), lambda: ready, patience=patience)


def test_started_once(runner: Runner) -> None:
    component = script("exec sleep 60")

    assert runner.start(component)
    first = runner.pid("thing")
    assert not runner.start(component)

    assert runner.pid("thing") == first
    assert runner.check(component) is Condition.READY


def test_changed_command_line_is_a_restart(runner: Runner) -> None:
    runner.start(script("exec sleep 60"))
    first = runner.pid("thing")

    assert runner.start(script("exec sleep 61"))
    assert runner.pid("thing") not in (None, first)


def test_another_runner_of_the_same_state_knows_it(runner: Runner, state: State) -> None:
    component = script("exec sleep 60")
    runner.start(component)

    assert not Runner(state, Loopback()).start(component)


def test_conditions(runner: Runner) -> None:
    component = script("exec sleep 60", ready=False)
    assert runner.check(component) is Condition.STOPPED
    runner.start(component)
    assert runner.check(component) is Condition.STARTING
    runner.stop("thing")
    assert runner.check(component) is Condition.STOPPED
    runner.start(script("exit 1"))
    with pytest.raises(ComponentError):
        runner.wait_ready([script("exit 1", ready=False)])
    assert runner.check(component) is Condition.CRASHED


def test_end_is_reported_with_the_last_words(runner: Runner, state: State) -> None:
    component = script("echo fine; echo 'Error: no such flag' >&2; exit 1", ready=False)
    runner.start(component)

    with pytest.raises(
        ComponentError, match=r"thing ended; its last words: Error: no such flag"
    ) as e:
        runner.wait_ready([component])

    assert str(state.log("thing")) in str(e.value)


def test_late_component_is_reported(runner: Runner) -> None:
    component = script("exec sleep 60", ready=False, patience=0.1)
    runner.start(component)

    with pytest.raises(ComponentError, match="is not ready after"):
        runner.wait_ready([component])


def test_stop_all_ends_what_nobody_wrote_down(runner: Runner, state: State) -> None:
    component = script("exec sleep 60")
    runner.start(component)
    (state.run / "thing.json").unlink()
    assert not runner.runs_anything()

    runner.start(script("exec sleep 61"))
    runner.stop_all((), grace=0)

    assert not runner.runs_anything()
    assert find_marked(MARK, str(state.folder)) == []


def test_component_sees_little_of_our_environment(
    runner: Runner, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "hush")
    runner.start(script("env; echo done; exec sleep 60"))
    deadline = time.monotonic() + 10
    while "done" not in state.log("thing").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.005)

    assert "A_SECRET" not in state.log("thing").read_text()


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", ""),
        ("one\n\ntwo\n", "two"),
        ("I1 fine\nE1 broken\nI1 bye\n", "E1 broken"),
        ('{"level":"info"}\n{"level":"fatal","msg":"x"}\nbye\n', '{"level":"fatal","msg":"x"}'),
        ("x" * 1000, "x" * 400 + "..."),
    ],
)
def test_last_words(log: str, expected: str) -> None:
    assert telling_line(log) == expected


def test_probe_of_nothing_is_not_ready() -> None:
    assert http_probe("127.0.0.1", 1, "/")() is False
