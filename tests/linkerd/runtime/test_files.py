"""File sets that reload: whole changes only, whatever way they come."""

import asyncio
import os
import threading
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from linkerd.runtime.errors import FilesError
from linkerd.runtime.files import MAX_BYTES, Contents, FileSet
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.inline import without_threads

INTERVAL = timedelta(seconds=1)


class Watch:
    """A FileSet on crt and key in `folder`, and what it reported."""

    def __init__(self, folder: Path) -> None:
        without_threads()
        self.clock = FakeClock()
        self.paths = [folder / "crt", folder / "key"]
        self.files = FileSet(self.paths)
        self.reported: list[list[bytes]] = []
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            await self.clock.sleep(INTERVAL.total_seconds())
            contents = await self.files.look()
            if contents is not None:
                self.reported.append(list(contents.values()))

    async def look(self, times: int = 1) -> None:
        """Lets it look at the files."""
        await self.clock.advance(times * INTERVAL.total_seconds())


def problem(watch: Watch) -> str | None:
    """Why the latest look failed."""
    return watch.files.problem


def write(folder: Path, **contents: str) -> None:
    """Writes files in place."""
    for name, text in contents.items():
        (folder / name).write_text(text)


async def test_a_change_is_reported_once_and_only_when_it_rests(tmp_path: Path) -> None:
    write(tmp_path, crt="1", key="1")
    watch = Watch(tmp_path)
    watch.files.load()
    await watch.look(5)
    assert watch.reported == []
    write(tmp_path, crt="2")
    await watch.look()
    write(tmp_path, key="2")
    await watch.look()
    assert watch.reported == []
    await watch.look(5)
    assert watch.reported == [[b"2", b"2"]]
    assert list(watch.files.snapshot.values()) == [b"2", b"2"]
    watch.task.cancel()


async def test_the_same_contents_written_again_are_no_change(tmp_path: Path) -> None:
    write(tmp_path, crt="1", key="1")
    watch = Watch(tmp_path)
    watch.files.load()
    write(tmp_path, crt="1", key="1")
    await watch.look(5)
    assert watch.reported == []
    watch.task.cancel()


async def test_kubelets_symlink_swap_is_seen(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        write(tmp_path / version, crt=version, key=version)
    (tmp_path / "..data").symlink_to("v1")
    for name in ("crt", "key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    watch = Watch(tmp_path)
    watch.files.load()
    await watch.look(2)
    (tmp_path / "..data_tmp").symlink_to("v2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    await watch.look(2)
    assert watch.reported == [[b"v2", b"v2"]]
    watch.task.cancel()


async def test_files_that_vanish_leave_the_last_snapshot_and_a_problem(tmp_path: Path) -> None:
    write(tmp_path, crt="1", key="1")
    watch = Watch(tmp_path)
    watch.files.load()
    (tmp_path / "key").unlink()
    await watch.look(3)
    assert watch.reported == []
    assert problem(watch) == f"cannot read {tmp_path / 'key'}: No such file or directory"
    assert list(watch.files.snapshot.values()) == [b"1", b"1"]
    write(tmp_path, key="2")
    await watch.look(2)
    assert watch.reported == [[b"1", b"2"]]
    assert problem(watch) is None
    watch.task.cancel()


async def test_a_disk_that_hangs_does_not_hang_the_loop(tmp_path: Path) -> None:
    """A pipe is a file that cannot be read before somebody has written."""
    path, pipe, rescued = tmp_path / "crt", tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)
    os.link(pipe, path)

    def rescue() -> None:
        rescued.set()
        recover()
        pipe.write_bytes(b"late")

    def recover() -> None:
        (tmp_path / "file").write_bytes(b"late")
        (tmp_path / "file").replace(path)

    async def first() -> Contents:
        files = FileSet([path])
        while (contents := await files.look()) is None:
            pass
        return contents

    timer = threading.Timer(3, rescue)
    timer.start()
    reading = asyncio.create_task(first())
    await eventually(lambda: rescued.is_set() or _written_to_reader(pipe, b"late"), "a reader")
    timer.cancel()
    assert not rescued.is_set(), "the loop stood still"
    recover()
    assert await reading == {path: b"late"}


def _written_to_reader(pipe: Path, text: bytes) -> bool:
    """False while nobody reads the pipe."""
    try:
        descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    return True


async def test_a_set_that_was_never_loaded_reports_what_it_finds(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    await watch.look(2)
    write(tmp_path, crt="1", key="1")
    await watch.look(2)
    assert watch.reported == [[b"1", b"1"]]
    watch.task.cancel()


def test_load_names_the_file_that_it_cannot_read(tmp_path: Path) -> None:
    write(tmp_path, crt="1")
    files = FileSet([tmp_path / "crt", tmp_path / "key"])
    with pytest.raises(FilesError, match=r"cannot read .*/key: No such file"):
        files.load()


def test_a_file_of_absurd_size_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "crt").open("wb") as file:
        os.truncate(file.fileno(), MAX_BYTES + 1)
    files = FileSet([tmp_path / "crt"])
    with pytest.raises(FilesError, match="larger than 4 MiB"):
        files.load()


STEP = st.tuples(st.sampled_from(["crt", "key", "look"]), st.sampled_from(["1", "2", "3"]))


@given(steps=st.lists(STEP, max_size=30))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_report_is_new_and_held_for_two_looks(
    tmp_path: Path, steps: list[tuple[str, str]]
) -> None:
    async def run() -> None:
        current, looks = {"crt": "1", "key": "1"}, []
        write(tmp_path, **current)
        watch = Watch(tmp_path)
        watch.files.load()
        for name, value in [*steps, ("look", ""), ("look", "")]:
            if name == "look":
                looks.append([value.encode() for value in current.values()])
                await watch.look()
            else:
                current[name] = value
                write(tmp_path, **{name: value})
        watch.task.cancel()
        held = [now for now, then in pairwise(looks) if now == then]
        assert all(report in held for report in watch.reported)
        assert all(now != then for now, then in pairwise([[b"1", b"1"], *watch.reported]))
        assert list(watch.files.snapshot.values()) == looks[-1]

    asyncio.run(run())
