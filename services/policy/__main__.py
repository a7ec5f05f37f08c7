"""`python -m services.policy`: see README.md, or --help."""

import sys

from linkerd.runtime.service import launch
from services.policy.app import NAME, start
from services.policy.settings import Settings

if __name__ == "__main__":
    sys.exit(launch(Settings, start, name=NAME))
