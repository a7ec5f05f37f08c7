"""The version of this control plane, read once from the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("linkerd-py")
except PackageNotFoundError:  # running from a tree that was never installed
    VERSION = "0.0.0+source"
