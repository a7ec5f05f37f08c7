"""Routes from a protobuf file.

It is read for its services and not compiled: what it imports need not be there, and what else it
declares, in whatever edition, is stepped over.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, NoReturn

from linkerd.profiles.definitions import MAX_BYTES, Note
from linkerd.profiles.errors import SourceError
from linkerd.profiles.routes import MAX_PARTS, Route, quote

_RETRYABLE: Final = frozenset({"IDEMPOTENT", "NO_SIDE_EFFECTS"})
_LEVEL: Final = "idempotency_level"
_STATEMENTS: Final = frozenset(
    {"syntax", "edition", "import", "option", "message", "enum", "extend", "export", "local"}
)
"""What a file may begin with besides packages and services."""
_TOKEN: Final = re.compile(
    r"""(?P<skipped>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<other>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\.?[0-9][0-9A-Za-z_.]*|/(?!\*)|[{}()\[\]<>;:,.=+-])
    """,
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    """A word, a number, a string or a character; empty at the end of the file."""

    text: str
    at: int
    is_word: bool


def protobuf_routes(raw: bytes, note: Note = lambda _: None) -> list[Route]:
    """A route for each rpc, in the file's order. Raises SourceError."""
    del note  # everything that a file may hold is either read or none of our business
    if len(raw) > MAX_BYTES:
        raise SourceError(f"it has {len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError("it is not UTF-8") from None
    return _File(text).routes()


class _File:
    """One pass over a file."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = next(self._tokens)

    def routes(self) -> list[Route]:
        """Those of all services; the package may be said behind them."""
        package: str | None = None
        services: list[tuple[str, list[tuple[str, bool]]]] = []
        while (token := self._take()).text:
            if token.text == "package":
                if package is not None:
                    self._refuse(token, "a second package")
                package = self._name()
                self._expect(";")
            elif token.text == "service":
                services.append((self._word("the name of a service"), self._methods()))
            elif token.text in _STATEMENTS:
                self._skip()
            elif token.text != ";":
                self._refuse(token, "something that a file cannot begin with")
        prefix = f"{package}." if package else ""
        return [
            Route(method, "POST", quote(f"/{prefix}{service}/{method}"), retryable=retryable)
            for service, methods in services
            for method, retryable in methods
        ]

    def _methods(self) -> list[tuple[str, bool]]:
        """Names of the rpcs of a service, and whether they may be retried."""
        found: list[tuple[str, bool]] = []
        self._expect("{")
        while (token := self._take()).text != "}":
            if token.text == "rpc":
                found.append((self._word("the name of an rpc"), self._rpc()))
                if len(found) > MAX_PARTS:
                    raise SourceError(f"a service has more than {MAX_PARTS} rpcs")
            elif token.text in {"option", "stream"}:
                self._skip()
            elif token.text != ";":
                self._refuse(token, "something that a service does not have")
        return found

    def _rpc(self) -> bool:
        """What is behind the name: whether its first idempotency level is one to retry."""
        self._message()
        self._expect("returns")
        self._message()
        token = self._take()
        if token.text == ";":
            return False
        if token.text != "{":
            self._refuse(token, "neither ; nor {")
        levels: list[str] = []
        while (token := self._take()).text != "}":
            if token.text == "option":
                levels += self._level()
            elif token.text != ";":
                self._refuse(token, "something that an rpc does not have")
        return levels[:1] != [] and levels[0] in _RETRYABLE

    def _message(self) -> None:
        """A type in parentheses, perhaps a stream of it."""
        self._expect("(")
        if self._next.text == "stream":
            self._take()
            if self._next.text == ")":  # a message of that name
                self._take()
                return
        if self._next.text == ".":
            self._take()
        self._name()
        self._expect(")")

    def _level(self) -> Iterator[str]:
        """The value of an option, if it is an idempotency level."""
        name = ""
        while (token := self._take()).text != "=":
            if token.text in {"", ";", "{", "}"}:
                self._refuse(token, "an option without a value")
            name += token.text
        value = self._next
        if value.text in {"", ";", "}"}:
            self._refuse(value, "an option without a value")
        self._skip()
        if name.strip("()") == _LEVEL:
            yield value.text.strip("\"'")

    def _skip(self) -> None:
        """The rest of a statement: to its semicolon, or to the end of its braces."""
        opened: list[_Token] = []
        while token := self._take():
            if token.text == "{":
                opened.append(token)
            elif token.text == "}":
                if not opened:
                    self._refuse(token, "a brace that was not opened")
                opened.pop()
                if not opened:
                    return
            elif token.text == ";" and not opened:
                return
            elif not token.text:
                self._refuse(opened[0] if opened else token, "something that does not end")

    def _name(self) -> str:
        """Words with dots between."""
        name = self._word("a name")
        while self._next.text == ".":
            self._take()
            name += f".{self._word('a name')}"
        return name

    def _word(self, what: str) -> str:
        token = self._take()
        if not token.is_word:
            self._refuse(token, f"not {what}")
        return token.text

    def _expect(self, text: str) -> None:
        token = self._take()
        if token.text != text:
            self._refuse(token, f"not {text}")

    def _take(self) -> _Token:
        token = self._next
        if token.text:
            self._next = next(self._tokens)
        return token

    def _split(self) -> Iterator[_Token]:
        at = 0
        while at < len(self._text):
            if (match := _TOKEN.match(self._text, at)) is None:
                self._unreadable(at)
            if match.lastgroup != "skipped":
                yield _Token(match[0], at, match.lastgroup == "word")
            at = match.end()
        yield _Token("", at, is_word=False)

    def _unreadable(self, at: int) -> NoReturn:
        if self._text.startswith("/*", at):
            self._refuse(_Token("/*", at, is_word=False), "a comment that does not end")
        self._refuse(_Token(self._text[at], at, is_word=False), "nothing of protobuf's")

    def _refuse(self, token: _Token, problem: str) -> NoReturn:
        line = self._text.count("\n", 0, token.at) + 1
        column = token.at - self._text.rfind("\n", 0, token.at)
        found = repr(token.text[:40]) if token.text else "the end of the file"
        raise SourceError(f"line {line}, column {column}: {found} is {problem}")
