"""Which of our own writes the cache has not shown yet.

A plan made from slices as they were before our last write would undo or repeat it. The API server
takes an update only of the version that it was made from, so the first event of that slice that
comes after it is the update itself, or something later: until then the cache is stale. An event
that shows exactly what we wrote is expected, and no reason to look again; any other is.

Upstream compares generations for the same end; versions tell edits of metadata too.
"""

from dataclasses import dataclass, field
from typing import Final

from linkerd.kube.objects import EndpointSlice, Key

PATIENCE: Final = 60.0
"""Seconds after which a write that never shows is taken for undone by somebody, unseen."""


@dataclass(slots=True)
class _Awaited:
    version: str | None  # None: its deletion
    since: float


@dataclass(slots=True)
class Tracker:
    """By service: the slices whose last write is still to be seen. Times are monotonic seconds."""

    _awaited: dict[Key, dict[str, _Awaited]] = field(default_factory=dict)

    def clear(self) -> None:
        """Another may have written since: nothing is expected any more."""
        self._awaited.clear()

    def forget(self, service: Key) -> None:
        """The service is gone."""
        self._awaited.pop(service, None)

    def wrote(
        self,
        service: Key,
        name: str,
        version: str | None,
        before: EndpointSlice | None,
        cached: EndpointSlice | None,
        now: float,
    ) -> None:
        """We wrote this version of a slice, or (None) deleted it, when it was as `before` (None: it
        was not there). It is awaited, unless `cached`, what is known by now, is newer already."""
        if _version(cached) == _version(before):
            self._awaited.setdefault(service, {})[name] = _Awaited(version, now)

    def saw(self, service: Key, name: str, version: str | None) -> bool:
        """An event of a slice, now of this version, or (None) gone. Whether it was expected."""
        slices = self._awaited.get(service)
        awaited = slices.pop(name, None) if slices else None
        if slices is not None and not slices:
            del self._awaited[service]
        return awaited is not None and awaited.version == version

    def is_stale(self, service: Key, now: float) -> bool:
        """Whether a write to the service's slices is still to be seen."""
        slices = self._awaited.get(service, {})
        for name in [n for n, each in slices.items() if now - each.since > PATIENCE]:
            del slices[name]
        if not slices:
            self._awaited.pop(service, None)
        return bool(slices)


def _version(now: EndpointSlice | None) -> str | None:
    return now.metadata.resource_version if now is not None else None
