"""Endpoints into slices of at most 100, with few writes: endpoints stay where they are."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from linkerd.kube.objects import Endpoint, EndpointSlice, TargetRef

MOST: Final = 100
"""Endpoints in a slice."""


@dataclass(slots=True)
class Box:
    """A slice that is being filled: one that exists, or (`slice` None) a new one."""

    slice: EndpointSlice | None
    endpoints: list[Endpoint] = field(default_factory=list)
    changed: bool = True

    def fill(self, rest: list[Endpoint]) -> None:
        """Takes as many as it holds off the end of `rest`."""
        while rest and len(self.endpoints) < MOST:
            self.endpoints.append(rest.pop())
            self.changed = True


def pack(
    desired: Iterable[Endpoint],
    slices: Sequence[EndpointSlice],
    outdated: Callable[[EndpointSlice], bool],
) -> list[Box]:
    """Places for all `desired` endpoints, of workloads that differ. `outdated` says of a slice
    that it is to be written whatever it holds. A box of a slice that stays empty is a slice to be
    deleted; one that is not `changed` needs no write."""
    missing = {_workload(endpoint.target_ref): endpoint for endpoint in desired}
    boxes = [_keep(now, missing, changed=outdated(now)) for now in slices]
    rest = list(reversed(missing.values()))
    used = [box for box in boxes if box.endpoints]
    for box in sorted((b for b in used if b.changed), key=_size, reverse=True):
        box.fill(rest)
    while rest:
        box = _closest(used, len(rest)) or Box(None)
        box.fill(rest)
        if box.slice is None:
            boxes.append(box)
    return boxes


def _keep(
    now: EndpointSlice, missing: dict[tuple[str, str, str], Endpoint], *, changed: bool
) -> Box:
    """What of a slice is still desired, in its order; that is then no longer missing."""
    kept: list[Endpoint] = []
    for old in now.endpoints:
        if len(kept) < MOST and (found := missing.pop(_workload(old.target_ref), None)):
            kept.append(found)
    return Box(now, kept, changed=changed or kept != list(now.endpoints))


def _workload(target: TargetRef | None) -> tuple[str, str, str]:
    return (target.kind, target.namespace, target.name) if target else ("", "", "")


def _closest(boxes: Iterable[Box], number: int) -> Box | None:
    """The unchanged box that would be fullest with that many more, if one has room for all."""
    fits = [box for box in boxes if not box.changed and _size(box) + number <= MOST]
    return max(fits, key=_size, default=None)


def _size(box: Box) -> int:
    return len(box.endpoints)
