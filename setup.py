"""Hook of the build: everything declarative is in pyproject.toml.

`pip install .` and `pip install -e .` must leave importable stubs of protos/ behind although none
are in git. The stubs of a wheel are written straight into the build folder; those of an editable
install go into the source tree, where the interpreter will look for them.
"""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

# The build backend imports this file without its folder on sys.path.
sys.path.insert(0, str(ROOT / "tools"))

import generate_stubs  # noqa: E402  # found through the line above


class BuildPyWithStubs(build_py):
    """build_py that also generates the stubs."""

    def run(self) -> None:
        """Copy the sources, then add the stubs where this kind of install will import them."""
        super().run()
        home = ROOT if self.editable_mode else Path(self.build_lib).resolve()
        generate_stubs.generate(target=home / generate_stubs.PACKAGE.replace(".", "/"))


setup(cmdclass={"build_py": BuildPyWithStubs})
