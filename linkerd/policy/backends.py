"""Where a rule sends its traffic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from linkerd.kube.objects import BackendReference, FilteredBackendReference
from linkerd.mesh.ports import MAX_PORT
from linkerd.policy.errors import PolicyError
from linkerd.policy.filters import Filter, check_supported, judge_filters
from linkerd.policy.references import EGRESS_NETWORK, SERVICE, GroupKind, referred

_MAX_WEIGHT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Backend:
    """A share of the traffic, by weight, and who gets it: SERVICE, EGRESS_NETWORK or a kind that
    nobody can be sent to. `port` is None where none was given. Where there is a `fault`, what a
    filter says that no proxy can be told, nobody gets the share: it fails."""

    kind: GroupKind
    namespace: str
    name: str
    port: int | None
    weight: int = 1
    filters: tuple[Filter, ...] = ()
    fault: str = ""


def judge_backends(
    references: Sequence[BackendReference], namespace: str, field: str
) -> tuple[Backend, ...]:
    """The backends of a route in `namespace`, which is theirs, too, if they name none. Raises
    PolicyError."""
    return tuple(
        Backend(*_share(each, namespace, f"{field}[{at}]")) for at, each in enumerate(references)
    )


def judge_filtered_backends(
    references: Sequence[FilteredBackendReference],
    namespace: str,
    field: str,
    types: frozenset[str],
) -> tuple[Backend, ...]:
    """The same, each with its filters, which may be of these types. A bad one spoils its backend
    alone."""
    return tuple(
        _filtered(each, namespace, f"{field}[{at}]", types) for at, each in enumerate(references)
    )


def _filtered(
    reference: FilteredBackendReference, namespace: str, field: str, types: frozenset[str]
) -> Backend:
    share = _share(reference, namespace, field)
    place = f"{field}.filters"
    try:
        filters = judge_filters(reference.filters, place)
        check_supported(reference.filters, types, place)
    except PolicyError as error:
        return Backend(*share, fault=str(error))
    return Backend(*share, filters)


def _share(
    reference: BackendReference, namespace: str, field: str
) -> tuple[GroupKind, str, str, int | None, int]:
    """Who gets it, by port, and the weight."""
    if not reference.name:
        raise PolicyError(f"{field}.name", "must not be empty")
    port = reference.port or None
    if port is not None and not 0 < port <= MAX_PORT:
        raise PolicyError(f"{field}.port", f"must be from 1 to {MAX_PORT}, not {port}")
    if not 0 <= reference.weight <= _MAX_WEIGHT:
        problem = f"must be from 0 to {_MAX_WEIGHT}, not {reference.weight}"
        raise PolicyError(f"{field}.weight", problem)
    kind = referred(reference.group, reference.kind, (SERVICE, EGRESS_NETWORK))
    return kind, reference.namespace or namespace, reference.name, port, reference.weight
