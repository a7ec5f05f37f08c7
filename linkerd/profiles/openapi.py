"""Routes from an OpenAPI document, of version 2 (Swagger) or 3."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from linkerd.profiles.definitions import Note, field, named, read_definition
from linkerd.profiles.errors import SourceError
from linkerd.profiles.routes import MAX_PARTS, Route, quote
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError

RETRYABLE: Final = "x-linkerd-retryable"
TIMEOUT: Final = "x-linkerd-timeout"

_METHODS: Final = ("delete", "get", "head", "options", "patch", "post", "put", "trace")
_PARAMETER: Final = re.compile(r"\{[^}]*\}")
_STATUS: Final = re.compile(r"[1-5](?:[0-9]{2}|[xX]{2})", re.ASCII)
_MAX_REFERENCES: Final = 10  # that lead from one to the next

_Mapping = Mapping[Any, Any]


def openapi_routes(raw: bytes, note: Note = lambda _: None) -> list[Route]:
    """A route for each operation, in the order of paths and methods. Raises SourceError; `note` is
    told of parts that no route is made of."""
    document = _mapping(read_definition(raw, note), "the document")
    routes: list[Route] = []
    budget = MAX_PARTS
    for route in _Document(document, note).routes():
        budget -= 1 + len(route.statuses)
        if budget < 0:
            raise SourceError(f"it makes more than {MAX_PARTS} routes and response classes")
        routes.append(route)
    return routes


def path_regex(template: str) -> str:
    """A regular expression for paths that fit the template: a `{parameter}` is one segment."""
    return "[^/]*".join(map(quote, _PARAMETER.split(template)))


class _Document:
    def __init__(self, document: _Mapping, note: Note) -> None:
        self._document = document
        self._note = note
        self._base = self._root()

    def routes(self) -> Iterator[Route]:
        """Those of all paths."""
        paths = dict(named(_mapping(field(self._document, "paths"), "paths")))
        for path in sorted(paths):
            if path.startswith("/"):
                yield from self._of_path(path, paths[path])
            elif not path.lower().startswith("x-"):
                self._note(f"paths.{path[:80]}: a path begins with a slash; it is left out")

    def _of_path(self, path: str, item: Any) -> Iterator[Route]:
        part = f"paths.{path}"
        item = self._resolved(_mapping(item, part), part)
        if re.search(r"[?#]", _PARAMETER.sub("", path)):
            self._note(f"{part[:80]}: no path of a request has a ? or #; its routes match nothing")
        base = self._server(item, self._base)
        for method in _METHODS:
            if (operation := field(item, method)) is not None:
                operation = _mapping(operation, f"{part}.{method}")
                whole = _joined(self._server(operation, base), path)
                yield self._route(whole, f"{method.upper()} {whole}", operation)

    def _route(self, path: str, name: str, operation: _Mapping) -> Route:
        retryable = field(operation, RETRYABLE)
        if not isinstance(retryable, bool | None):
            raise SourceError(f"{name}: {RETRYABLE} must be true or false")
        return Route(
            name=name,
            method=name.partition(" ")[0],
            path_regex=path_regex(path),
            statuses=self._statuses(operation, name),
            retryable=bool(retryable),
            timeout=_timeout(field(operation, TIMEOUT), name),
        )

    def _statuses(self, operation: _Mapping, name: str) -> tuple[range, ...]:
        """Declared statuses and their ranges, ascending; `default` is none."""
        found: list[range] = []
        responses = _mapping(field(operation, "responses"), f"{name}: responses")
        for code, _ in named(responses):
            if _STATUS.fullmatch(code):
                first = int(code.upper().replace("X", "0"))
                found.append(range(first, first + (100 if code[1] in "xX" else 1)))
            elif code.lower() != "default" and not code.lower().startswith("x-"):
                self._note(f"{name}: responses.{code[:20]} is no HTTP status; it is left out")
        return tuple(sorted(set(found), key=lambda each: (len(each), each.start)))

    def _root(self) -> str:
        base = field(self._document, "basePath")
        if field(self._document, "openapi") is None:
            return _text(base, "basePath")
        return self._server(self._document, "")

    def _server(self, part: _Mapping, otherwise: str) -> str:
        """The path of the first server that is named here."""
        servers = field(part, "servers")
        if not isinstance(servers, list) or not servers:
            return otherwise
        server = _mapping(servers[0], "servers[0]")
        url = _text(field(server, "url"), "servers[0].url")
        for name, variable in named(_mapping(field(server, "variables"), "servers[0].variables")):
            default = field(_mapping(variable, f"servers[0].variables.{name}"), "default")
            url = url.replace(f"{{{name}}}", "" if default is None else str(default))
        if (path := urlsplit(url).path) and not path.startswith("/"):
            self._note(f"servers: {url[:80]} has neither a scheme nor a slash; it is left out")
            return otherwise
        return path

    def _resolved(self, item: _Mapping, part: str) -> _Mapping:
        """A path with what its $ref leads to; what it says itself counts more."""
        for _ in range(_MAX_REFERENCES):
            if (reference := item.get("$ref")) is None:
                return item
            found = self._at(reference) if isinstance(reference, str) else None
            if not isinstance(found, Mapping):
                break
            own = {key: value for key, value in item.items() if key != "$ref"}
            item = {**found, **own}
        self._note(f"{part}: its $ref leads to nothing in this document; it is left out")
        return {key: value for key, value in item.items() if key != "$ref"}

    def _at(self, reference: str) -> Any:
        """What a JSON pointer into this document leads to; None when there is nothing."""
        if not reference.startswith("#/"):
            return None
        value: Any = self._document
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            value = dict(named(value)).get(key) if isinstance(value, Mapping) else None
        return value


def _joined(base: str, path: str) -> str:
    base = base.strip("/")
    return f"{'/' if base else ''}{base}/{path.lstrip('/')}"


def _timeout(value: Any, name: str) -> str:
    timeout = _text(value, f"{name}: {TIMEOUT}")
    try:
        if timeout:
            parse_go_duration(timeout)
    except DurationError as error:
        raise SourceError(f"{name}: {TIMEOUT}: {error}") from None
    return timeout


def _mapping(value: Any, what: str) -> _Mapping:
    """What is not there is empty."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise SourceError(f"{what}: a mapping is expected")
    return value


def _text(value: Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SourceError(f"{what}: text is expected")
    return value
