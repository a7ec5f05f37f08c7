"""Routes from a protobuf file.

It is parsed and not compiled: what it imports need not be there.
"""

from collections.abc import Iterator
from typing import Any, Final, NoReturn

from antlr4.error.ErrorListener import ErrorListener
from proto_schema_parser import ast
from proto_schema_parser.parser import Parser

from linkerd.profiles.documents import MAX_BYTES
from linkerd.profiles.errors import SourceError
from linkerd.profiles.routes import Route, quote

_RETRYABLE: Final = frozenset({"IDEMPOTENT", "NO_SIDE_EFFECTS"})


def protobuf_routes(raw: bytes) -> list[Route]:
    """A route for each rpc, in the file's order. Raises SourceError."""
    if len(raw) > MAX_BYTES:
        raise SourceError(f"it has {len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        file = Parser(setup_lexer=_strict, setup_parser=_strict).parse(raw.decode())
    except UnicodeDecodeError:
        raise SourceError("it is not UTF-8") from None
    except RecursionError:
        raise SourceError("it is nested too deep") from None
    package = next((e.name for e in file.file_elements if isinstance(e, ast.Package)), "")
    prefix = f"{package}." if package else ""
    services = (e for e in file.file_elements if isinstance(e, ast.Service))
    return [route for service in services for route in _routes(f"{prefix}{service.name}", service)]


def _routes(name: str, service: ast.Service) -> Iterator[Route]:
    for element in service.elements:
        if isinstance(element, ast.Method):
            path = quote(f"/{name}/{element.name}")
            yield Route(element.name, "POST", path, retryable=_is_retryable(element))


def _is_retryable(method: ast.Method) -> bool:
    options = (e for e in method.elements if isinstance(e, ast.Option))
    values = [option.value for option in options if option.name == "idempotency_level"]
    return any(isinstance(value, ast.Identifier) and value.name in _RETRYABLE for value in values)


class _Raise(ErrorListener):  # type: ignore[misc]  # the library has no types
    """Ends the parse at the first error, which the library would print and step over."""

    def syntaxError(  # noqa: N802  # the library's name
        self, _recognizer: Any, _symbol: Any, line: int, column: int, problem: str, _error: Any
    ) -> NoReturn:
        """Raises SourceError."""
        raise SourceError(f"line {line}, column {column + 1}: {problem[:200]}")


def _strict(recognizer: Any) -> None:
    recognizer.removeErrorListeners()
    recognizer.addErrorListener(_Raise())
