"""What of a condition proxies take: one judgement for the command line, the webhook and the
destination service.

A proxy drops the part of a condition that it cannot read, and what is left matches more: with
`{method: POST, pathRegex: "("}`, every POST.
"""

from typing import Final

from linkerd.mesh.http_fields import is_token
from linkerd.mesh.patterns import PatternBudget

MAX_NESTING: Final = 30
"""Levels of `all`, `any` and `not`: readers of protobuf stop at 100, three to each of these."""

_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class ConditionError(ValueError):
    """A proxy would drop a part of the condition. The message quotes the part."""


def check_method(name: str) -> None:
    """Raises ConditionError unless a request may have this method."""
    if not is_token(name):
        raise ConditionError(f"{name[:100]!r} is no HTTP method")


class Paths:
    """The `pathRegex`es of one profile, checked one by one."""

    def __init__(self) -> None:
        self._budget = PatternBudget()

    def check(self, regex: str) -> None:
        """Raises PatternError, which is a ValueError, unless every proxy compiles the expression;
        and TooLargeError when it and those before it take too much."""
        self._budget.check(anchored(regex))


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
