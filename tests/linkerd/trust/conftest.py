"""A verifier in Go, which has opinions of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """The program of verify/, compiled with Go's standard library alone; None without Go."""
    if (compiler := shutil.which("go")) is None:
        return None
    program = tmp_path_factory.mktemp("go") / "verify"
    environ = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    command = [compiler, "build", "-o", str(program), "."]
    subprocess.run(command, cwd=Path(__file__).with_name("verify"), env=environ, check=True)
    return program
