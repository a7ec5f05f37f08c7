"""What of a condition proxies take: one judgement for the command line, the webhook and the
destination service.

A proxy drops the part of a condition that it cannot read, and what is left matches more: with
`{method: POST, pathRegex: "("}`, every POST.
"""

from typing import Final

from linkerd.mesh.http_fields import is_token
from linkerd.mesh.patterns import PatternError, compiled_size

MAX_NESTING: Final = 30
"""Levels of `all`, `any` and `not`: readers of protobuf stop at 100, three to each of these."""

MAX_SIZE: Final = 32 << 20
"""Bytes that the regular expressions of a profile may take in each proxy: those of about 2,000
plain routes."""

_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class ConditionError(ValueError):
    """A proxy would drop a part of the condition. The message quotes the part."""


class TooLargeError(Exception):
    """The profile as a whole says more than proxies should have to hold."""


def check_method(name: str) -> None:
    """Raises ConditionError unless a request may have this method."""
    if not is_token(name):
        raise ConditionError(f"{name[:100]!r} is no HTTP method")


class Paths:
    """The `pathRegex`es of one profile, checked one by one."""

    def __init__(self) -> None:
        self._left = MAX_SIZE

    def check(self, regex: str) -> None:
        """Raises PatternError, which is a ValueError, unless every proxy compiles the expression;
        and TooLargeError when it and those before it, good or bad, take more than MAX_SIZE."""
        try:
            if self._left >= 0:
                self._left -= compiled_size(anchored(regex))
        except PatternError as error:
            self._left -= error.size
            raise
        if self._left < 0:
            raise TooLargeError(
                f"its regular expressions take more than {MAX_SIZE >> 20} MiB together; "
                "simplify them, or have fewer"
            )


def anchored(regex: str) -> str:
    """What a proxy makes of a `pathRegex`: without space around it, for the whole path. It looks
    at nothing but the first and last characters, so `a|b` becomes `^a|b$`."""
    bare = regex.strip(_SPACE)
    head = "" if bare.startswith("^") else "^"
    tail = "" if bare.endswith("$") else "$"
    return f"{head}{bare}{tail}"


def check_members(matches: object, field: str) -> None:
    """Of the `all` or `any` of a response: raises ConditionError if it is empty, for which a proxy
    drops the class. (Of a request, an empty `all` matches everything and an empty `any` nothing.)
    """
    if not matches:
        raise ConditionError(f"{field!r} has no members")
