"""Where a rule sends its traffic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from linkerd.kube.objects import BackendReference, FilteredBackendReference, RouteFilter
from linkerd.mesh.ports import MAX_PORT
from linkerd.policy.errors import PolicyError
from linkerd.policy.filters import Filter, UnusableFilter
from linkerd.policy.references import EGRESS_NETWORK, SERVICE, GroupKind, referred

_MAX_WEIGHT: Final = 1_000_000

FilterReader = Callable[[tuple[RouteFilter, ...], str], tuple[Filter, ...]]


@dataclass(frozen=True, slots=True)
class Backend:
    """A share of the traffic, by weight, and who gets it: SERVICE, EGRESS_NETWORK or a kind that
    nobody can be sent to. `port` is None where none was given."""

    kind: GroupKind
    namespace: str
    name: str
    port: int | None
    weight: int = 1
    filters: tuple[Filter, ...] = ()


def backends(
    references: Sequence[BackendReference], namespace: str, field: str
) -> tuple[Backend, ...]:
    """The backends of a route in `namespace`, which is theirs, too, if they name none. Raises
    PolicyError."""
    return tuple(_backend(each, namespace, f"{field}[{at}]") for at, each in enumerate(references))


def filtered_backends(
    references: Sequence[FilteredBackendReference],
    namespace: str,
    field: str,
    read_filters: FilterReader,
) -> tuple[Backend, ...]:
    """The same, each with its filters. One that is malformed spoils its backend alone, as
    UnusableFilter."""
    return tuple(
        _backend(each, namespace, f"{field}[{at}]", _filters(each, f"{field}[{at}]", read_filters))
        for at, each in enumerate(references)
    )


def _backend(
    reference: BackendReference, namespace: str, field: str, filters: tuple[Filter, ...] = ()
) -> Backend:
    port = reference.port or None
    if port is not None and not 0 < port <= MAX_PORT:
        raise PolicyError(f"{field}.port", f"must be from 1 to {MAX_PORT}, not {port}")
    if not 0 <= reference.weight <= _MAX_WEIGHT:
        problem = f"must be from 0 to {_MAX_WEIGHT}, not {reference.weight}"
        raise PolicyError(f"{field}.weight", problem)
    return Backend(
        kind=referred(reference.group, reference.kind, (SERVICE, EGRESS_NETWORK)),
        namespace=reference.namespace or namespace,
        name=reference.name,
        port=port,
        weight=reference.weight,
        filters=filters,
    )


def _filters(
    reference: FilteredBackendReference, field: str, read_filters: FilterReader
) -> tuple[Filter, ...]:
    try:
        return read_filters(reference.filters, f"{field}.filters")
    except PolicyError as error:
        return (UnusableFilter(error.field, error.problem),)
