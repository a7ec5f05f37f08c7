"""How checks are printed: a table for people, the short form of it, or JSON."""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final, Protocol, TextIO

from linkerd.check.model import Check, Outcome, Report, Result
from linkerd.runtime.terminal import colours, columns, fitted, is_terminal

_MARKS: Final = {
    Result.SUCCESS: ("√", "32"),
    Result.WARNING: ("‼", "33"),
    Result.ERROR: ("\u00d7", "31"),
}


class Printer(Protocol):
    """Prints checks while they run, and a report at the end."""

    def outcome(self, outcome: Outcome) -> None: ...

    def retry(self, check: Check, error: str) -> None: ...

    def finish(self, report: Report) -> None: ...


def printer(form: str, output: TextIO | None = None, errors: TextIO | None = None) -> Printer:
    """For `table`, `short` or `json`; colours and what is waited for only on terminals."""
    output = output or sys.stdout
    if form == "json":
        return JsonPrinter(output)
    return TablePrinter(output, errors or sys.stderr, short=form == "short")


class TablePrinter:
    """Category by category, each under a dashed line, a check a line.

    The short form leaves out what succeeded.
    """

    def __init__(self, output: TextIO, errors: TextIO, *, short: bool) -> None:
        self._output = output
        self._errors = errors
        self._short = short
        self._category: str | None = None
        self._waiting = False

    def outcome(self, outcome: Outcome) -> None:
        """Print it, below its category."""
        self._clear()
        if self._short and outcome.result is Result.SUCCESS:
            return
        if outcome.category != self._category:
            lines = [] if self._category is None else [""]
            self._write(*lines, outcome.category, "-" * len(outcome.category))
            self._category = outcome.category
        self._write(f"{self._mark(outcome.result)} {outcome.check.description}")
        if outcome.error is not None:
            self._write(*(f"    {line}" for line in outcome.error.splitlines()))
            self._write(f"    see {outcome.check.hint} for hints")

    def retry(self, check: Check, error: str) -> None:
        """Say what is waited for, in a line that the next thing said replaces."""
        if is_terminal(self._errors):
            first = (error.splitlines() or [""])[0]
            room = (columns(self._errors) or 80) - 1  # a full line would move the cursor on
            self._errors.write(f"\r\x1b[K{f'  {check.description}: {first}'[:room]}")
            self._errors.flush()
            self._waiting = True

    def finish(self, report: Report) -> None:
        """Say what was not run, and how it went altogether."""
        if self._category is not None:
            self._write("")
        if skipped := list(_skipped(report)):
            self._write("Not run, because of the failure above:", *skipped, "")
        mark = self._mark(Result.SUCCESS if report.success else Result.ERROR)
        self._write(f"Status check results are {mark}")

    def _mark(self, result: Result) -> str:
        mark, colour = _MARKS[result]
        return f"\x1b[{colour}m{mark}\x1b[0m" if colours(self._output) else mark

    def _clear(self) -> None:
        if self._waiting:
            self._errors.write("\r\x1b[K")
            self._waiting = False

    def _write(self, *lines: str) -> None:
        self._output.writelines(f"{fitted(line, self._output)}\n" for line in lines)
        self._output.flush()


class JsonPrinter:
    """One object, at the end."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def outcome(self, outcome: Outcome) -> None:
        """Nothing yet."""

    def retry(self, check: Check, error: str) -> None:
        """Nothing."""

    def finish(self, report: Report) -> None:
        """Print all."""
        groups = groupby(report.outcomes, key=lambda outcome: outcome.category)
        categories = [
            {"categoryName": name, "checks": [_described(outcome) for outcome in outcomes]}
            for name, outcomes in groups
        ]
        said = {"success": report.success, "categories": categories}
        self._output.write(f"{json.dumps(said, indent=2, ensure_ascii=False)}\n")


def _described(outcome: Outcome) -> dict[str, Any]:
    said: dict[str, Any] = {"description": outcome.check.description}
    if outcome.error is not None:
        said |= {"hint": outcome.check.hint, "error": outcome.error}
    return said | {"result": str(outcome.result)}


def _skipped(report: Report) -> Iterator[str]:
    for name, checks in groupby(report.not_run, key=lambda pair: pair[0]):
        yield f"    {name}: {_count(checks)}"


def _count(checks: Iterable[object]) -> str:
    count = sum(1 for _ in checks)
    return f"{count} check{'s' if count > 1 else ''}"
