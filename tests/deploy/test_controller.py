"""The image's entry point: one program that becomes the service it is told to be."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from linkerd.delivery.tree import ROOT

CONTROLLER = ROOT / "deploy" / "images" / "controller"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, CONTROLLER, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [(), ("policy-of-yesterday",), ("-addr=:1",)])
def test_unknown_names_get_the_known_ones(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert "destination" in done.stderr
    assert "identity" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("service", ["identity", "destination"])
def test_flags_reach_the_service(service: str) -> None:
    done = run(service, "--help")
    assert done.returncode == 0
    assert f"Usage of {service}" in done.stdout


def test_a_wrong_flag_is_the_service_s_own_error() -> None:
    done = run("identity", "-no-such-flag")
    assert done.returncode not in (0, -signal.SIGABRT)
    assert "no-such-flag" in done.stderr + done.stdout


def test_it_is_executable_and_starts_with_the_image_s_python() -> None:
    assert CONTROLLER.stat().st_mode & 0o111 == 0o111
    assert CONTROLLER.read_text().startswith("#!/opt/linkerd/bin/python\n")
    assert "/opt/linkerd" in Path(ROOT / "deploy/images/Containerfile").read_text()
