"""`python -m services.identity`: see README.md, or --help."""

import sys

from linkerd.runtime.service import launch
from services.identity.app import NAME, start
from services.identity.settings import Settings

if __name__ == "__main__":
    sys.exit(launch(Settings, start, name=NAME))
