"""A program that does its work and ends."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest
import structlog

from linkerd.runtime.errors import StartError
from linkerd.runtime.logs import flush_logs
from linkerd.runtime.process import Process
from linkerd.runtime.service import launch_job
from linkerd.runtime.settings import JobSettings


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A program sets up logging for its whole process, which here is that of all tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.mark.parametrize("code", [0, 1, 7])
def test_the_exit_code_is_what_the_work_returns(code: int) -> None:
    async def work(_settings: JobSettings, _process: Process) -> int:
        return code

    assert launch_job(JobSettings, work, name="job", argv=[], environ={}) == code


def test_work_that_fails_ends_with_1(capfd: pytest.CaptureFixture[str]) -> None:
    async def work(_settings: JobSettings, _process: Process) -> int:
        raise StartError("no luck today")

    assert launch_job(JobSettings, work, name="job", argv=[], environ={}) == 1
    flush_logs()
    assert "no luck today" in capfd.readouterr().err


def test_a_signal_ends_the_work_with_1() -> None:
    async def work(_settings: JobSettings, process: Process) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        await process.clock.sleep(60)
        return 0

    assert launch_job(JobSettings, work, name="job", argv=[], environ={}) == 1


def test_wrong_settings_end_with_2_before_any_work(capsys: pytest.CaptureFixture[str]) -> None:
    async def work(_settings: JobSettings, _process: Process) -> int:
        raise AssertionError("not called")

    assert launch_job(JobSettings, work, name="job", argv=["--nope"], environ={}) == 2
    assert "--nope" in capsys.readouterr().err


def test_settings_reach_the_work() -> None:
    levels = []

    async def work(settings: JobSettings, _process: Process) -> int:
        levels.append(settings.log_level)
        return 0

    launch_job(JobSettings, work, name="job", argv=["-log-level=warn"], environ={})
    assert levels == ["warn"]
