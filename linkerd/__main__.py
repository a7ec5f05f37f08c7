"""`linkerd`, and `python -m linkerd`: the command, where the packages that it needs are installed.

The image of the services has the code of the command, since it is one wheel, and not these
packages.
"""

import sys
from typing import Final

EXTRA: Final = frozenset({"click", "psutil", "rich"})
"""Packages of the extra `cli` in pyproject.toml."""


def main() -> None:
    """Runs the command; exits with 1, and says what to install, where a package is missing."""
    try:
        from linkerd.cli.main import main as run  # fails where the extra is missing
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRA:
            raise
        sys.exit(
            f"linkerd: the command needs {missing.name}, which is not installed; "
            "install it with: pip install 'linkerd-py[cli]'"
        )
    run()


if __name__ == "__main__":
    main()
