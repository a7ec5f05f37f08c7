"""Reloading of any value: the newest good set of files that rested is in force."""

import asyncio
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from linkerd.runtime.errors import StartError
from linkerd.runtime.files import Contents, FileSet
from linkerd.runtime.metrics import registry
from linkerd.runtime.reload import RETRY, Reloader, ReloadMetrics
from tests.support.clock import FakeClock
from tests.support.inline import without_threads

INTERVAL = 1.0


class Number:
    """A file that holds a number; one below zero cannot be used, one above `limit` not yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.limit = 9
        self.value: int | None = None
        self.taken: list[int] = []
        self.refused: list[str] = []

    def make(self, contents: Contents) -> int:
        try:
            value = int(contents[self.path])
        except ValueError as error:
            raise StartError(f"{self.path.name}: no number") from error
        if not 0 <= value <= self.limit:
            raise StartError(f"{value} is out of bounds")
        return value

    def take(self, value: int) -> None:
        self.value = value
        self.taken.append(value)

    def refuse(self, why: str) -> None:
        self.refused.append(why)


class Following:
    """A reloader at work on one file that holds 1."""

    def __init__(self, folder: Path) -> None:
        without_threads()
        self.clock, self.numbers = FakeClock(), registry()
        self.user = Number(folder / "number")
        self.put("1")
        files = FileSet([self.user.path])
        self.user.value = self.user.make(files.load())
        reloader = Reloader(
            files, self.user, ReloadMetrics(self.numbers, "number", "the number's file"),
            interval=timedelta(seconds=INTERVAL), clock=self.clock,
        )  # fmt: skip
        self.task = asyncio.create_task(reloader.run())

    def put(self, text: str) -> None:
        """Writes the file; an empty text takes it away."""
        if text:
            self.user.path.write_text(text)
        else:
            self.user.path.unlink(missing_ok=True)

    async def looks(self, times: int = 2) -> None:
        for _ in range(times):
            await self.clock.advance(INTERVAL)

    def counted(self, result: str) -> float | None:
        return self.numbers.get_sample_value("number_updates_total", {"result": result})

    @property
    def skipped(self) -> float | None:
        return self.numbers.get_sample_value("number_files_skipped")


async def test_a_change_is_taken_and_counted(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.put("2")
    await following.looks(5)
    assert following.user.taken == [2]
    assert (following.counted("updated"), following.counted("skipped")) == (1, 0)
    following.task.cancel()


async def test_what_cannot_be_used_is_said_once_and_tried_again(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.put("20")
    await following.looks(2)
    await following.clock.advance(3 * RETRY)
    assert following.user.refused == ["20 is out of bounds"]
    assert (following.user.value, following.skipped, following.counted("skipped")) == (1, 1, 1)
    following.user.limit = 30
    await following.clock.advance(RETRY + INTERVAL)
    assert (following.user.taken, following.skipped) == ([20], 0)
    following.task.cancel()


async def test_the_old_contents_put_back_end_the_complaint(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.put("x")
    await following.looks(2)
    assert following.skipped == 1
    following.put("1")
    await following.looks(2)
    assert (following.user.refused, following.skipped) == (["number: no number"], 0)
    following.task.cancel()


async def test_a_file_that_is_away_is_said_once_and_forgotten_when_it_is_back(
    tmp_path: Path,
) -> None:
    following = Following(tmp_path)
    following.put("")
    await following.looks(1)
    assert following.user.refused == []
    await following.looks(5)
    assert [why.rpartition(": ")[2] for why in following.user.refused] == [
        "No such file or directory"
    ]
    assert following.skipped == 1
    following.put("1")
    await following.looks(2)
    assert (following.user.taken, following.skipped) == ([], 0)
    following.task.cancel()


@given(texts=st.lists(st.sampled_from(["", "x", "-1", "1", "2", "3"]), max_size=12))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_newest_good_set_is_in_force(tmp_path: Path, texts: list[str]) -> None:
    async def run() -> None:
        following, expected = Following(tmp_path), 1
        for text in texts:
            following.put(text)
            await following.looks(3)
            expected = int(text) if text.isdigit() else expected
            assert following.user.value == expected
            assert following.skipped == (0 if text.isdigit() else 1)
        following.task.cancel()

    asyncio.run(run())
