"""How the text of a flag or a variable becomes a value of the field's type, and back.

The types: str, int, float, bool, Path, timedelta (Go durations), HostPort, Literal of strings,
tuple[T, ...] (comma-separated), and `T | None` (empty text is None). `show` is the inverse of the
parser, which a property test holds.
"""

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Union

from linkerd.mesh.ports import MAX_PORT
from linkerd.runtime.duration import format_go_duration, parse_go_duration

_TRUE: Final = frozenset({"1", "t", "T", "true", "True", "TRUE"})
_FALSE: Final = frozenset({"0", "f", "F", "false", "False", "FALSE"})


class HostPort(NamedTuple):
    """A TCP address. Host "" means every interface; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_host_port(text: str) -> HostPort:
    """`:8086`, `127.0.0.1:8086`, `[::1]:8086` or `name:8086`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError("no port; write HOST:PORT or :PORT")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 host goes in brackets, as [::1]:8086")
    if not (port.isascii() and port.isdecimal()) or int(port) > MAX_PORT:
        raise ValueError(f"port {port!r} is not a number from 0 to {MAX_PORT}")
    return HostPort(host, int(port))


@dataclass(frozen=True, slots=True)
class Parser:
    """Reads text. `accepts` says in words what it takes; `says_all` that a ValueError of `parse`
    adds nothing to that."""

    parse: Callable[[str], Any]
    accepts: str
    is_switch: bool = False
    says_all: bool = False


def _parse_bool(text: str) -> bool:
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(text)


def _parse_int(text: str) -> int:
    if "_" in text:  # int() takes 1_000, Go's flag package in base 10 does not
        raise ValueError(text)
    return int(text)


_SIMPLE: Final[dict[Any, Parser]] = {
    str: Parser(str, "text", says_all=True),
    int: Parser(_parse_int, "a whole number", says_all=True),
    float: Parser(float, "a number", says_all=True),
    bool: Parser(_parse_bool, "true or false", is_switch=True, says_all=True),
    Path: Parser(Path, "a file path", says_all=True),
    timedelta: Parser(
        parse_go_duration, "a duration such as 24h0m0s, 1m30s or 250ms", says_all=True
    ),
    HostPort: Parser(parse_host_port, "an address such as :8086 or 127.0.0.1:8086"),
}


def parser_for(hint: Any, custom: Callable[[str], Any] | None = None) -> Parser:
    """The parser for an annotated type. Raises TypeError for one that we cannot read."""
    if custom is not None:
        doc = (custom.__doc__ or "a value").strip().splitlines()[0].rstrip(".")
        return Parser(custom, doc)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return _choice(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _several(parser_for(arguments[0]))
    if origin in {Union, types.UnionType} and len(arguments) == 2 and types.NoneType in arguments:
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return _optional(parser_for(inner))
    raise TypeError(f"a setting cannot be of type {hint}; give it parse=")


def _choice(choices: tuple[str, ...]) -> Parser:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return Parser(parse, "one of " + ", ".join(choices), says_all=True)


def _several(item: Parser) -> Parser:
    def parse(text: str) -> tuple[Any, ...]:
        return tuple(item.parse(part.strip()) for part in text.split(",")) if text else ()

    return Parser(parse, f"a comma-separated list, each {item.accepts}", says_all=item.says_all)


def _optional(inner: Parser) -> Parser:
    def parse(text: str) -> Any:
        return inner.parse(text) if text else None

    return Parser(parse, f"{inner.accepts}, or nothing", says_all=inner.says_all)


def show(value: Any) -> str:
    """The text that parses back to `value`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return format_go_duration(value)
    if isinstance(value, tuple) and not isinstance(value, HostPort):
        return ",".join(map(show, value))
    return str(value)
