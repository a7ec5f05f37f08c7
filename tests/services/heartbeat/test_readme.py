"""The manual page says what is so."""

import re
import shlex
from pathlib import Path

from linkerd.runtime.settings import options_of
from linkerd.runtime.values import show
from services.heartbeat import model
from services.heartbeat.app import NAME, Settings
from tests.support.jobs import run_job

README = Path(__file__).resolve().parents[3] / "services/heartbeat/README.md"


def _rows(heading: str) -> list[list[str]]:
    """Cells of the table below a heading, without its two head lines."""
    (section,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", README.read_text(), re.DOTALL | re.MULTILINE
    )
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_parameter_is_listed_and_no_other() -> None:
    listed = [name for name, *_ in _rows("What is sent")]
    assert listed == [
        model.ARCH,
        model.VERSION,
        model.SOURCE,
        model.UUID,
        model.INSTALL_TIME,
        model.KUBERNETES_VERSION,
        f"{model.EXTENSION_PREFIX}VALUE",
        model.SERVICE_PROFILE_COUNT,
        *(question.parameter for question in model.QUESTIONS),
    ]


def test_every_flag_is_listed_with_its_default() -> None:
    listed = {name: default for name, default, _ in _rows("Flags")}
    assert listed == {option.flag: show(option.default) for option in options_of(Settings, NAME)}


async def test_the_example_runs() -> None:
    (command,) = re.findall(r"^```sh\n(.*?)\n```", README.read_text(), re.DOTALL | re.MULTILINE)
    python, m, module, *flags = shlex.split(command)
    assert (python, m) == ("python", "-m")
    job = await run_job(module, *flags)
    (shown,) = re.findall(r"`(GET [^`]*)`", README.read_text().replace("\n", " "))
    assert (job.code, job.out) == (0, f"{shown}\n")
