"""`python -m services.destination`: see README.md, or --help."""

import sys

from linkerd.runtime.service import launch
from services.destination.app import NAME, Settings, start

if __name__ == "__main__":
    sys.exit(launch(Settings, start, name=NAME))
