"""What the generators make: routes, and the ServiceProfile around them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from linkerd.mesh.names import service_name
from linkerd.profiles.errors import SourceError

MAX_PARTS: Final = 20_000
"""Routes and response classes of one profile; an object with more does not fit into etcd."""

_FAILURE: Final = 500  # the first status that is one
_META: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")


@dataclass(frozen=True, slots=True)
class Route:
    """Requests with this method whose path matches `path_regex`.

    Each of `statuses`, a status or a hundred of them, becomes a class of answers; the first that
    an answer is in counts. `timeout` is a Go duration.
    """

    name: str
    method: str
    path_regex: str
    statuses: tuple[range, ...] = ()
    retryable: bool = False
    timeout: str = ""


def quote(text: str) -> str:
    """A regular expression that matches the text and nothing else. Escapes no more than needed:
    proxies refuse an escape that means nothing."""
    return _META.sub(r"\\\1", text)


def profile_of(service: str, namespace: str, domain: str, routes: Sequence[Route]) -> Any:
    """The ServiceProfile of a service, as JSON has it. Raises SourceError when it grows too big."""
    if sum(1 + len(route.statuses) for route in routes) > MAX_PARTS:
        raise SourceError(f"it makes more than {MAX_PARTS} routes and response classes")
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": service_name(service, namespace, domain), "namespace": namespace},
        "spec": {"routes": [_route(route) for route in routes]},
    }


def _route(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": route.name,
        "condition": {"method": route.method, "pathRegex": route.path_regex},
    }
    if route.statuses:
        said["responseClasses"] = [_class(status) for status in route.statuses]
    if route.retryable:
        said["isRetryable"] = True
    if route.timeout:
        said["timeout"] = route.timeout
    return said


def _class(statuses: range) -> dict[str, Any]:
    bounds = {"min": statuses.start, "max": statuses.stop - 1}
    said: dict[str, Any] = {"condition": {"status": bounds}}
    return said | {"isFailure": True} if statuses.start >= _FAILURE else said
