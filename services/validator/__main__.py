"""`python -m services.validator`: see README.md, or --help."""

import sys

from linkerd.runtime.service import launch
from services.validator.app import NAME, Settings, start

if __name__ == "__main__":
    sys.exit(launch(Settings, start, name=NAME))
