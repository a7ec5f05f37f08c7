"""linkerd.io: ServiceProfiles.

Decoding is lenient where the schema is odd: `opaquePorts` has two contradicting forms and is not
read at all. It is strict where ignoring something would change what is said: a condition with a
field that is unknown (the API server keeps these below the first level) would match more without
it. Judging a profile (a condition without any field, an impossible status range) is its
translator's business.
"""

from typing import Optional

import msgspec

from linkerd.kube.objects.meta import ObjectMeta


class RequestMatch(
    msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True, rename="camel"
):
    """What requests a route takes; fields that are given must all hold. An empty `all` or `any`
    is not an absent one."""

    path_regex: str | None = None
    method: str | None = None
    all: tuple["RequestMatch", ...] | None = None
    any: tuple["RequestMatch", ...] | None = None
    not_: Optional["RequestMatch"] = msgspec.field(name="not", default=None)


class StatusRange(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """HTTP statuses from `min` to `max`; 0 means that the bound was not given."""

    min: int = 0
    max: int = 0


class ResponseMatch(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What responses a class takes."""

    status: StatusRange | None = None
    all: tuple["ResponseMatch", ...] | None = None
    any: tuple["ResponseMatch", ...] | None = None
    not_: Optional["ResponseMatch"] = msgspec.field(name="not", default=None)


class ResponseClass(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A class of responses and whether they are failures."""

    condition: ResponseMatch | None = None
    is_failure: bool = False


class Route(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A route; `timeout` is a Go duration as written."""

    name: str = ""
    condition: RequestMatch | None = None
    is_retryable: bool = False
    timeout: str = ""
    response_classes: tuple[ResponseClass, ...] = ()


class RetryBudget(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A budget that replaces the default one; `ttl` is a Go duration as written."""

    retry_ratio: float = 0.0
    min_retries_per_second: int = 0
    ttl: str = ""


class WeightedDestination(msgspec.Struct, frozen=True, gc=False):
    """An override of where traffic goes; `weight` is a Kubernetes quantity."""

    authority: str = ""
    weight: int | float | str = 0


class ServiceProfileSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Routes in order, the retry budget, and overrides."""

    routes: tuple[Route, ...] = ()
    retry_budget: RetryBudget | None = None
    dst_overrides: tuple[WeightedDestination, ...] = ()


class ServiceProfile(msgspec.Struct, frozen=True, gc=False):
    """A ServiceProfile; its name is the fully qualified name of the service."""

    metadata: ObjectMeta
    spec: ServiceProfileSpec = ServiceProfileSpec()
