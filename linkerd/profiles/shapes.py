"""The fields that a ServiceProfile may have, each with its type, and no others.

Strict, unlike the shapes that the destination service reads: what is misspelt here would be ignored
there. Fields that are null count as absent, but an item of a list that is null is kept, to be
complained about. Metadata is left free but for the name, for the API server judges it and gains
fields with every release.
"""

from typing import Annotated, Any, Optional

import msgspec

_MAX_COUNT = 2**32 - 1


class RequestMatch(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Which requests."""

    all: list[Optional["RequestMatch"]] | None = None
    any: list[Optional["RequestMatch"]] | None = None
    method: str = ""
    not_: Optional["RequestMatch"] = msgspec.field(name="not", default=None)
    path_regex: str = ""


class StatusRange(msgspec.Struct, forbid_unknown_fields=True):
    """Statuses, both ends included; 0 for a bound that is not given."""

    min: int = 0
    max: int = 0


class ResponseMatch(msgspec.Struct, forbid_unknown_fields=True):
    """Which answers."""

    all: list[Optional["ResponseMatch"]] | None = None
    any: list[Optional["ResponseMatch"]] | None = None
    status: StatusRange | None = None
    not_: Optional["ResponseMatch"] = msgspec.field(name="not", default=None)


class ResponseClass(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Answers that count as failures, or as successes."""

    condition: ResponseMatch | None = None
    is_failure: bool = False


class Route(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Requests of one kind."""

    name: str = ""
    condition: RequestMatch | None = None
    is_retryable: bool = False
    timeout: str = ""
    response_classes: list[ResponseClass | None] = []


class RetryBudget(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """How much may be retried."""

    retry_ratio: float = 0.0
    min_retries_per_second: Annotated[int, msgspec.Meta(ge=0, le=_MAX_COUNT)] = 0
    ttl: str = ""


class WeightedDestination(msgspec.Struct, forbid_unknown_fields=True):
    """A share of the traffic."""

    authority: str = ""
    weight: int | float | str = 0


class Spec(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """All that a profile says. `opaquePorts` is read by nobody; its schema has a list, and older
    profiles a mapping with ports for keys."""

    routes: list[Route | None] = []
    retry_budget: RetryBudget | None = None
    dst_overrides: list[WeightedDestination | None] = []
    opaque_ports: list[str] | dict[str, Any] = []


class Metadata(msgspec.Struct):
    """What of the metadata is judged."""

    name: str = ""


class Profile(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A ServiceProfile."""

    api_version: str = ""
    kind: str = ""
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: Spec = msgspec.field(default_factory=Spec)
