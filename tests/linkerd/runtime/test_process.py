"""The life of a process, in real processes: signals, core tasks, clean-ups, exit codes.

The child is this module as a program; its argument names a life. It prints what happens.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from linkerd.runtime.errors import StartError
from linkerd.runtime.logs import configure_logging
from linkerd.runtime.process import Process, run
from tests.support.forkserver import ForkedProgram

MODULE = "tests.linkerd.runtime.test_process"

Lives = dict[str, Callable[[Process], Awaitable[None]]]


def say(text: str) -> None:
    """Prints at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def saying(text: str) -> Callable[[], Awaitable[None]]:
    """A clean-up that prints."""

    async def cleanup() -> None:
        say(text)

    return cleanup


async def forever() -> None:
    """A core task that tells of its cancellation."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        say("core cancelled")
        raise


async def orderly(process: Process) -> None:
    process.defer(saying("first in, last out"))
    process.defer(saying("last in, first out"))
    process.readiness.on_change(lambda ready: say(f"ready {ready}"))
    process.start("core", forever())


async def core_returns(process: Process) -> None:
    process.defer(saying("cleaned up"))
    process.start("core", asyncio.sleep(0))


async def core_fails(process: Process) -> None:
    async def fail() -> None:
        raise ValueError("no luck")

    process.defer(saying("cleaned up"))
    process.start("core", fail())


async def set_up_fails(process: Process) -> None:
    process.defer(saying("cleaned up"))
    raise StartError("file: is not there; put it there")


async def set_up_hangs(process: Process) -> None:
    process.defer(saying("cleaned up"))
    say("setting up")
    await asyncio.Event().wait()


async def stops_itself(process: Process) -> None:
    process.start("core", forever())
    process.stop()


async def clean_up_fails(process: Process) -> None:
    async def fail() -> None:
        raise OSError("stuck")

    process.defer(saying("cleaned up"))
    process.defer(fail)
    process.stop()


async def clean_up_hangs(process: Process) -> None:
    async def hang() -> None:
        say("hanging")
        await asyncio.Event().wait()

    process.defer(hang)
    say("ready")


async def clean_up_takes_too_long(process: Process) -> None:
    async def dawdle() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            say("dawdle cancelled")

    process.defer(saying("cleaned up"))
    process.defer(dawdle, seconds=0.1)
    process.stop()


async def ends_before_its_core_begins(process: Process) -> None:
    async def start_late() -> None:
        process.start("core", forever())

    process.defer(start_late)
    process.stop()


async def core_ends_with_it(process: Process) -> None:
    process.start("core", process.stopping())
    say("ready")


LIVES: Lives = {
    life.__name__: life
    for life in (
        orderly,
        core_returns,
        core_fails,
        set_up_fails,
        set_up_hangs,
        stops_itself,
        clean_up_fails,
        clean_up_hangs,
        clean_up_takes_too_long,
        ends_before_its_core_begins,
        core_ends_with_it,
    )
}


@contextmanager
def living(life: Callable[[Process], Awaitable[None]]) -> Iterator[ForkedProgram]:
    """A child that leads `life`."""
    with ForkedProgram(MODULE, life.__name__, stdout=subprocess.PIPE, strict=True) as child:
        yield child


def heard(child: ForkedProgram) -> str:
    """The next line of the child."""
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    with living(orderly) as child:
        assert heard(child) == "ready True"
        child.send_signal(number)
        out, err = child.communicate(timeout=20)
    assert out.split("\n") == [
        "ready False",
        "last in, first out",
        "first in, last out",
        "core cancelled",
        "",
    ]
    assert child.returncode == 0
    assert f"signal={number.name}" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("life", "reason"),
    [
        (core_returns, "a core task ended, so the process ends"),
        (core_fails, "error='no luck' task=core"),
        (set_up_fails, "error='file: is not there; put it there' task=start"),
        (clean_up_fails, "error=stuck task=stop"),
    ],
)
def test_what_goes_wrong_is_logged_and_the_rest_cleaned_up(
    life: Callable[[Process], Awaitable[None]], reason: str
) -> None:
    with living(life) as child:
        out, err = child.communicate(timeout=20)
    assert out == "cleaned up\n"
    assert child.returncode == 1
    assert reason in err
    assert ("Traceback" in err) == (life in {core_fails, clean_up_fails})


def test_a_clean_up_that_takes_too_long_does_not_keep_the_others_waiting() -> None:
    with living(clean_up_takes_too_long) as child:
        out, err = child.communicate(timeout=20)
    assert sorted(out.splitlines()) == ["cleaned up", "dawdle cancelled"]
    assert child.returncode == 1
    assert "dawdle did not end within 0.1 s" in err
    assert "Traceback" not in err


def test_a_signal_during_set_up_cancels_it() -> None:
    with living(set_up_hangs) as child:
        assert heard(child) == "setting up"
        child.terminate()
        out, _ = child.communicate(timeout=20)
    assert out == "cleaned up\n"
    assert child.returncode == 0


def test_a_process_may_stop_itself() -> None:
    with living(stops_itself) as child:
        out, err = child.communicate(timeout=20)
    assert out == "core cancelled\n"
    assert child.returncode == 0, err


def test_a_core_task_that_never_began_is_no_warning() -> None:
    with living(ends_before_its_core_begins) as child:
        out, err = child.communicate(timeout=20)
    assert child.returncode == 0, err
    assert "never awaited" not in err
    assert out == ""


def test_a_core_task_may_end_once_the_process_stops() -> None:
    with living(core_ends_with_it) as child:
        assert heard(child) == "ready"
        child.terminate()
        _, err = child.communicate(timeout=20)
    assert child.returncode == 0, err
    assert "core task" not in err


def test_a_second_signal_ends_it_at_once() -> None:
    with living(clean_up_hangs) as child:
        assert heard(child) == "ready"
        child.terminate()
        assert heard(child) == "hanging"
        child.terminate()
        _, err = child.communicate(timeout=20)
    assert child.returncode == 128 + signal.SIGTERM
    assert "second signal" in err


if __name__ == "__main__":
    configure_logging("info", "plain")
    sys.exit(run(LIVES[sys.argv[1]], name="test"))
