"""What several nodes share on one host: made by the first, taken away after the last."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.local.host import LINK_PREFIX, Host


@dataclass
class Machine:
    """A host in miniature, below one folder."""

    root: Path

    def __post_init__(self) -> None:
        for name in ("run", "links", "etc"):
            (self.root / name).mkdir(parents=True)
        self.forwarding.write_text("0")

    @property
    def forwarding(self) -> Path:
        return self.root / "ip_forward"

    @property
    def wanted(self) -> list[Path]:
        return [self.root / "etc" / "cni" / "net.d", self.root / "opt" / "cni" / "bin"]

    def host(self) -> Host:
        return Host(self.root / "run" / "notes", self.root / "links", self.forwarding)

    def come(self, node: str) -> None:
        with self.host().held():
            self.host().ensure(self.wanted)
            (self.root / "links" / f"{LINK_PREFIX}{node}").touch()

    def go(self, node: str) -> None:
        with self.host().held():
            (self.root / "links" / f"{LINK_PREFIX}{node}").unlink(missing_ok=True)
            self.host().release(f"{LINK_PREFIX}{node}")

    def content(self) -> set[str]:
        return {str(file.relative_to(self.root)) for file in self.root.rglob("*")}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


def test_one_node_leaves_no_trace(machine: Machine) -> None:
    before = machine.content()

    machine.come("a")
    assert all(folder.is_dir() for folder in machine.wanted)
    assert machine.forwarding.read_text() == "1"

    machine.go("a")
    assert machine.content() == before
    assert machine.forwarding.read_text() == "0"


def test_what_was_there_stays(machine: Machine) -> None:
    machine.wanted[0].mkdir(parents=True)
    machine.forwarding.write_text("1")
    before = machine.content()

    machine.come("a")
    machine.go("a")

    assert machine.content() == before
    assert machine.forwarding.read_text() == "1"


def test_folder_that_is_used_by_now_stays(machine: Machine) -> None:
    machine.come("a")
    (machine.wanted[0] / "10-other.conflist").touch()

    machine.go("a")

    assert machine.wanted[0].is_dir()
    assert not machine.wanted[1].exists()


steps = st.lists(st.tuples(st.sampled_from(["come", "go"]), st.sampled_from("abc")), max_size=12)


@given(steps=steps)
def test_any_order_keeps_all_while_somebody_is_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("host") / "machine")
    before = machine.content()
    there: set[str] = set()
    for step, node in steps:
        getattr(machine, step)(node)
        there = there | {node} if step == "come" else there - {node}
        if there:
            assert all(folder.is_dir() for folder in machine.wanted)
            assert machine.forwarding.read_text() == "1"
        else:
            assert machine.content() == before
            assert machine.forwarding.read_text() == "0"
