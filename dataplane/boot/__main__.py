"""`python -m dataplane.boot`, and `linkerd2-proxy-identity` in images."""

import os
import sys

from dataplane.boot.app import run


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
