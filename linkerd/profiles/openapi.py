"""Routes from an OpenAPI 2 (Swagger) document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from linkerd.profiles.documents import read_document
from linkerd.profiles.errors import SourceError
from linkerd.profiles.routes import MAX_PARTS, Route, quote
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError

RETRYABLE: Final = "x-linkerd-retryable"
TIMEOUT: Final = "x-linkerd-timeout"

_METHODS: Final = ("delete", "get", "head", "options", "patch", "post", "put")
_PARAMETER: Final = re.compile(r"\{[^{}]+\}")
_STATUS: Final = re.compile(r"[1-5][0-9]{2}", re.ASCII)


def openapi_routes(raw: bytes) -> list[Route]:
    """A route for each operation, in the order of paths and methods. Raises SourceError."""
    document = _mapping(read_document(raw), "the document")
    if "openapi" in document:
        raise SourceError(
            f"it is OpenAPI {document['openapi']}; only OpenAPI 2 (Swagger) is read, so convert it"
        )
    base = _text(document.get("basePath", ""), "basePath").rstrip("/")
    routes: list[Route] = []
    budget = MAX_PARTS
    for route in _routes(base, _mapping(document.get("paths", {}), "paths")):
        budget -= 1 + len(route.statuses)
        if budget < 0:
            raise SourceError(f"it makes more than {MAX_PARTS} routes and response classes")
        routes.append(route)
    return routes


def _routes(base: str, paths: Mapping[str, Any]) -> Iterator[Route]:
    for path in sorted(paths):
        if path.startswith("x-"):
            continue
        item = _mapping(paths[path], f"paths.{path}")
        if "$ref" in item:
            raise SourceError(f"paths.{path}: it is a $ref; put the operations in its place")
        for method in _METHODS:
            if method in item:
                part = f"paths.{path}.{method}"
                yield _route(base + path, f"{method.upper()} {path}", _mapping(item[method], part))


def _route(path: str, name: str, operation: Mapping[str, Any]) -> Route:
    retryable = operation.get(RETRYABLE, False)
    if not isinstance(retryable, bool):
        raise SourceError(f"{name}: {RETRYABLE} must be true or false")
    return Route(
        name=name,
        method=name.partition(" ")[0],
        path_regex=path_regex(path),
        statuses=_statuses(_mapping(operation.get("responses", {}), f"{name}: responses"), name),
        retryable=retryable,
        timeout=_timeout(operation.get(TIMEOUT, ""), name),
    )


def path_regex(template: str) -> str:
    """A regular expression for paths that fit the template: a `{parameter}` is one segment."""
    literals = map(quote, _PARAMETER.split(template))
    return "[^/]*".join(literals)


def _timeout(value: Any, name: str) -> str:
    timeout = _text(value, f"{name}: {TIMEOUT}")
    try:
        if timeout:
            parse_go_duration(timeout)
    except DurationError as error:
        raise SourceError(f"{name}: {TIMEOUT}: {error}") from None
    return timeout


def _statuses(responses: Mapping[str, Any], name: str) -> tuple[int, ...]:
    """Declared statuses, ascending; `default` is none."""
    codes = [code for code in responses if code != "default" and not code.startswith("x-")]
    for code in codes:
        if not _STATUS.fullmatch(code):
            raise SourceError(f"{name}: responses.{code[:20]} is no HTTP status")
    return tuple(sorted(map(int, codes)))


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SourceError(f"{what}: a mapping is expected")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise SourceError(f"{what}: text is expected")
    return value
