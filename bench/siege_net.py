"""A network namespace for who besieges a pod: joined to this machine by a pair of interfaces, and
so seen by pods under an address of its own, as another pod is. Needs root, Linux and `ip`."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

_NAME: Final = "siege"
_OUTSIDE: Final = "siege-host"
_INSIDE: Final = "siege-peer"
_GATEWAY: Final = "10.213.0.1"
_ADDRESS: Final = "10.213.0.2"


@contextmanager
def namespace() -> Iterator[Sequence[str]]:
    """What goes before a command that is to run in it; it is gone at the end."""
    _ip("netns", "add", _NAME)
    try:
        _ip("link", "add", _OUTSIDE, "type", "veth", "peer", "name", _INSIDE)
        _ip("link", "set", _INSIDE, "netns", _NAME)
        _ip("addr", "add", f"{_GATEWAY}/30", "dev", _OUTSIDE)
        _ip("link", "set", _OUTSIDE, "up")
        _ip("-n", _NAME, "addr", "add", f"{_ADDRESS}/30", "dev", _INSIDE)
        _ip("-n", _NAME, "link", "set", _INSIDE, "up")
        _ip("-n", _NAME, "link", "set", "lo", "up")
        _ip("-n", _NAME, "route", "add", "default", "via", _GATEWAY)
        yield ("ip", "netns", "exec", _NAME)
    finally:
        _ip("netns", "delete", _NAME)  # and with it the pair of interfaces


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
