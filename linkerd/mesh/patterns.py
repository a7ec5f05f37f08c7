"""Regular expressions of users: whether every proxy compiles them.

Proxies compile with Rust's `regex` crate (1.9 and later), which has much in common with RE2:
neither looks around or back. RE2 judges what the two have in common; before that, what only RE2
reads, and what Rust reads otherwise, is refused here by its form, and so is what compiles into more
than Rust allows. So a few expressions are refused that some proxies take (`[a-z&&[^b]]`, `a**`,
`(?x)`, `a{2000}`), none is let through that one may refuse.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import re2

MAX_PATTERN: Final = 4_096
"""Characters."""

MAX_SIZE: Final = 32 << 20
"""Bytes that the expressions of an object may take in each proxy: about 2,000 plain ones."""

_MAX_SIZE: Final = 4 << 20  # bytes that it compiles to, estimated high; Rust's limit is 10 MiB
_MAX_DEPTH: Final = 50  # of groups; Rust's limit is 250, of which each of these may use up to four
_VERDICTS: Final = 2_048  # that are remembered
_SHOWN: Final = 40  # characters of a pattern, in a message

_ESCAPE: Final = (
    r"\\(?:[dDwWsSaftnrv]|[!-/:;=?@\[-`{-~ ]|x[0-9A-Fa-f]{2}"
    r"|x\{(?!0*[dD][89A-Fa-f][0-9A-Fa-f]{2}\})[0-9A-Fa-f]{1,6}\}"
    r"|[pP](?:[CLMNPSZ]|\{[A-Z][A-Za-z_]*\}))"
)
_IN_CLASS: Final = rf"{_ESCAPE}|\[:\^?[a-z]+:\]|[^\\\[\]]"
_TOKEN: Final = re.compile(
    rf"(?P<open>\((?:\?(?:P?<(?P<name>[A-Za-z_][A-Za-z0-9_]*)>|[imsU]*(?:-[imsU]+)?:))?(?!\?))"
    r"|(?P<flags>\(\?(?!\))[imsU]*(?:-[imsU]+)?\)(?![*+?{]))"
    r"|(?P<close>\))"
    r"|\{(?P<least>[0-9]{1,4})(?P<most>,[0-9]{0,4})?\}"
    rf"|(?P<class>\[\^?+\]?+(?:{_IN_CLASS})*+\])"
    rf"|(?P<escape>\\[bBAz]|{_ESCAPE})"
    r"|[^\\\[(){]",
    re.ASCII | re.DOTALL,
)
_SET_OPERATION: Final = re.compile(r"&&|--|~~")
_DASH_AFTER_SET: Final = re.compile(r"\\(?:[dDwWsS]|[pP](?:\{\w+\}|\w))-(?!\])")
_REPEATED_FLAG: Final = re.compile(r"\(\?[^:)<]*?([imsU])[^:)<]*\1")
_UNICODE: Final = re.compile(r"\\[wWpP]|\[:\^")
_PLAIN: Final = 256  # bytes that a character or a sign compiles to, at most
_ANY: Final = 2 << 10  # that a set of characters does, such as [^/]
_DIGITS: Final = 16 << 10  # that \d or \S does: of all the world's scripts
_WORDS: Final = 64 << 10  # that \w does


class PatternError(ValueError):
    """Some proxy might not compile it. The message quotes the expression and says why. `size` is
    about how many bytes it took to find out."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


class TooLargeError(Exception):
    """The expressions of an object take more together than proxies should have to hold."""


class PatternBudget:
    """The expressions of one object, checked one by one."""

    def __init__(self) -> None:
        self._left = MAX_SIZE

    def check(self, pattern: str) -> None:
        """Raises PatternError, which is a ValueError, unless every proxy compiles the expression;
        and TooLargeError when it and those before it, good or bad, take more than MAX_SIZE."""
        try:
            if self._left >= 0:
                self._left -= compiled_size(pattern)
        except PatternError as error:
            self._left -= error.size
            raise
        if self._left < 0:
            raise TooLargeError(
                f"its regular expressions take more than {MAX_SIZE >> 20} MiB together; "
                "simplify them, or have fewer"
            )


def compiled_size(pattern: str) -> int:
    """About how many bytes `pattern` takes in a proxy, rather more than less. Raises PatternError
    unless every proxy compiles it."""
    if len(pattern) > MAX_PATTERN:
        size, fault = 0, f"it has {len(pattern)} characters, of {MAX_PATTERN} at most"
    else:
        size, fault = _verdict(pattern)
    if fault:
        problem = f"{_shown(pattern)} is no regular expression for proxies: {fault}"
        raise PatternError(problem, size)
    return size


@lru_cache(_VERDICTS)
def _verdict(pattern: str) -> tuple[int, str]:
    """The size, and what is wrong, if anything is."""
    try:
        size = _size(_tokens(pattern))
    except _Fault as fault:
        return len(pattern) * _PLAIN, str(fault)
    if size > _MAX_SIZE:
        return len(pattern) * _PLAIN, "it takes too much memory; count or nest less"
    return size, _fault(pattern)


def _fault(pattern: str) -> str:
    """What RE2 has against a pattern."""
    try:
        re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        (reason,) = error.args
        return str(reason, "utf-8", "replace")
    except UnicodeEncodeError:
        return "it is no text"
    finally:
        re2.purge()  # it would keep what it compiled; here verdicts are remembered instead
    return ""


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False  # on standard error
    options.max_mem = 512 << 10
    return options


_OPTIONS: Final = _options()


class _Fault(Exception):  # noqa: N818  # a verdict that has no subject yet
    pass


def _tokens(pattern: str) -> Iterator[re.Match[str]]:
    """The parts of a pattern. Raises _Fault at one that Rust does not read as RE2 does."""
    names = set[str]()  # of groups
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            hint = r"; write \{ for the character" if pattern[at] == "{" else ""
            raise _Fault(f"{_shown(pattern[at:])} cannot be read{hint}")
        _check_token(token, names)
        yield token
        at = token.end()


def _check_token(token: re.Match[str], names: set[str]) -> None:
    text = token[0]
    if token["class"] and _SET_OPERATION.search(text):
        raise _Fault(f"{_shown(text)} has an operation on sets")
    if token["class"] and _DASH_AFTER_SET.search(text):
        raise _Fault(f"{_shown(text)} has a range that does not begin with a character")
    if (token["open"] or token["flags"]) and _REPEATED_FLAG.match(text):
        raise _Fault(f"{text} has a flag twice")
    if token["name"] in names:
        raise _Fault(f"two groups are named {_shown(token['name'])}")
    if token["name"]:
        names.add(token["name"])


def _size(tokens: Iterator[re.Match[str]]) -> int:
    """About how many bytes the tokens compile to, more rather than less. Raises _Fault if they are
    nested too deep."""
    groups, last = [0], 0  # sizes of the groups that are open, and of what a count would repeat
    for token in tokens:
        if token["open"]:
            groups.append(_PLAIN)
            if len(groups) > _MAX_DEPTH:
                raise _Fault(f"its groups are nested more than {_MAX_DEPTH} deep")
        elif token["close"] and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif token["least"]:
            count = max(int(token["least"]) + 1, int((token["most"] or "").strip(",") or 0))
            groups[-1] += last * (count - 1)
            last *= count
        else:
            last = _weight(token)
            groups[-1] += last
    return sum(groups)


def _weight(token: re.Match[str]) -> int:
    """About how many bytes one token compiles to: sets of Unicode's characters are large."""
    text = token[0]
    if _UNICODE.search(text):
        return _WORDS
    if re.search(r"\\[dDsS]", text):
        return _DIGITS
    return _ANY + len(text) * _PLAIN if token["class"] or text == "." else _PLAIN


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= _SHOWN else f"{pattern[:_SHOWN]}...")
