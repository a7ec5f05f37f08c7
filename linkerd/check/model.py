"""Checks, and what came of them.

A check is a description, an anchor in the troubleshooting pages, and a coroutine that returns when
all is well, raises `CheckError` when it is not, or `CheckSkip` when there is nothing to look at.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HINTS: Final = "https://linkerd.io/2/checks/#"


class CheckError(Exception):
    """What is wrong, for people; several lines where several things are."""


class CheckWarning(CheckError):  # noqa: N818  # the word that is printed of it
    """What works, and may yet become a trouble: it fails nothing, whatever its check says."""


class CheckSkip(Exception):  # noqa: N818  # no error: the check does not apply
    """The check does not apply here; nothing is printed of it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One question.

    `fatal`: when it fails, nothing after it would make sense. `warning`: a failure does not fail
    the whole. `retryable`: it may come right by itself, so it is asked again until the deadline.
    """

    description: str
    anchor: str
    run: Callable[[], Awaitable[None]]
    fatal: bool = False
    warning: bool = False
    retryable: bool = False

    @property
    def hint(self) -> str:
        """Where to read on."""
        return f"{HINTS}{self.anchor}"


@dataclass(frozen=True, slots=True)
class Category:
    """Checks that belong together, in their order."""

    name: str
    checks: tuple[Check, ...]


class Result(StrEnum):
    """How a check ended, in the words of the JSON output."""

    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check that was run; `error` is None when it succeeded. `mild`: it is a warning, though a
    failure of this check need not be."""

    category: str
    check: Check
    error: str | None = None
    mild: bool = False

    @property
    def result(self) -> Result:
        """Success, or what kind of failure."""
        if self.error is None:
            return Result.SUCCESS
        return Result.WARNING if self.check.warning or self.mild else Result.ERROR


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes in their order, and what a fatal one kept from being run."""

    outcomes: tuple[Outcome, ...]
    not_run: tuple[tuple[str, Check], ...] = ()

    @property
    def success(self) -> bool:
        """Whether nothing failed but, perhaps, warnings."""
        return all(outcome.result is not Result.ERROR for outcome in self.outcomes)
