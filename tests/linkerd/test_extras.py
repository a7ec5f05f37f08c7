"""Services and what runs beside workloads do without what only the command needs."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from linkerd.__main__ import EXTRA

ROOT: Final = Path(__file__).parents[2]

# A finder before all others, to which these packages are not installed.
WITHOUT_EXTRA: Final = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {sorted(EXTRA)}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""

IMPORT_ALL: Final = """
import importlib, pkgutil, services, dataplane
seen = [
    importlib.import_module(module.name)
    for room in (services, dataplane)
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    if not module.name.endswith("__main__")  # which would run
]
print(len(seen))
"""


def python(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_EXTRA + script]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_services_import_without_the_extra() -> None:
    done = python(IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50


def test_the_command_says_what_is_missing() -> None:
    done = python("import runpy; runpy.run_module('linkerd', run_name='__main__')")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pip install 'linkerd-py[cli]'" in done.stderr


def test_the_extra_is_the_one_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {each.partition("==")[0] for each in project["optional-dependencies"]["cli"]} == EXTRA
