"""Paths at which kubelets ask how a container is."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from services.policy.pods import Container, HttpGet

_KEPT: Final = "/!$&'()*+,;=:@[]~"  # as they are in a path
_ESCAPES: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


def probe_paths(containers: Iterable[Container]) -> Mapping[int, tuple[str, ...]]:
    """The paths by port, sorted. A port's name is one of the same container."""
    found: dict[int, set[str]] = {}
    for container in containers:
        for get in container.probes:
            for port in _ports(container, get):
                found.setdefault(port, set()).add(path_on_wire(get.path))
    return {port: tuple(sorted(paths)) for port, paths in found.items()}


def _ports(container: Container, get: HttpGet) -> Iterable[int]:
    if isinstance(get.port, int):
        return (get.port,)
    named = (port for port in container.ports if port.name == get.port and port.name)
    return {port.container_port for port in named if port.is_tcp}


def path_on_wire(written: str) -> str:
    """What a kubelet asks for, without the query, where a probe's `path` is `written`."""
    try:
        path = urlsplit(written).path
    except ValueError:  # a host that is none; kubelets take it all for a path then
        path = written
    kept = f"{_KEPT}%" if _ESCAPES.fullmatch(path) else _KEPT
    return quote(path if path.startswith("/") else f"/{path}", safe=kept)
