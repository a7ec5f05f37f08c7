"""What this package raises."""

from typing import Final

_SHOWN: Final = 200  # characters of a value that a message repeats


class PolicyError(Exception):
    """A field says what no proxy can be told. The message names the field as its author writes it,
    and the problem: `spec.rules[0].matches[1].path.value: must begin with "/"`. Two that say the
    same are equal, as values are that an index derives."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PolicyError) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)


class UnsupportedError(PolicyError):
    """A route says, without fault, what other implementations of the Gateway API may do and ours
    does not, so all of it is as absent here."""


def shown(text: str) -> str:
    """A value of a user's in quotes, cut where it is too long for a message."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
