"""Order, fatality, warnings, retries, and how all of it is printed."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable

from linkerd.check.model import (
    Category,
    Check,
    CheckError,
    CheckSkip,
    CheckWarning,
    Report,
    Result,
)
from linkerd.check.render import printer
from linkerd.check.runner import INTERVAL, Runner
from linkerd.kube.errors import Unreachable
from tests.support.clock import FakeClock


async def fine() -> None:
    pass


async def broken() -> None:
    raise CheckError("it is broken\nin two ways")


async def doubtful() -> None:
    raise CheckWarning("it works, and might not for ever")


async def absent() -> None:
    raise CheckSkip


async def unreachable() -> None:
    raise Unreachable("GET /x: refused")


def check(name: str, run: Callable[[], Awaitable[None]] = fine, **kind: bool) -> Check:
    return Check(name, f"anchor-{name}", run, **kind)


class Recovers:
    """Fails a number of times, then succeeds."""

    def __init__(self, failures: int) -> None:
        self.tries = 0
        self._failures = failures

    async def __call__(self) -> None:
        self.tries += 1
        if self.tries <= self._failures:
            raise CheckError(f"failure {self.tries}")


async def run(*categories: Category) -> Report:
    return await Runner(FakeClock(), wait=0).run(categories)


def results(report: Report) -> list[tuple[str, Result]]:
    return [(outcome.check.description, outcome.result) for outcome in report.outcomes]


async def test_a_check_may_only_warn_though_its_failure_would_be_fatal() -> None:
    report = await run(Category("a", (check("1", doubtful, fatal=True), check("2"))))

    assert results(report) == [("1", Result.WARNING), ("2", Result.SUCCESS)]
    assert report.outcomes[0].error == "it works, and might not for ever"
    assert report.success


async def test_all_run_in_order_when_nothing_is_fatal() -> None:
    report = await run(
        Category("a", (check("1"), check("2", broken))),
        Category("b", (check("3", broken, warning=True), check("4", absent), check("5"))),
    )

    assert results(report) == [
        ("1", Result.SUCCESS),
        ("2", Result.ERROR),
        ("3", Result.WARNING),
        ("5", Result.SUCCESS),
    ]
    assert not report.success
    assert report.not_run == ()


async def test_a_fatal_failure_ends_it_and_names_the_rest() -> None:
    rest = check("2"), check("3")
    report = await run(
        Category("a", (check("1", unreachable, fatal=True), rest[0])), Category("b", rest[1:])
    )

    assert results(report) == [("1", Result.ERROR)]
    assert report.outcomes[0].error == "GET /x: refused"
    assert report.not_run == (("a", rest[0]), ("b", rest[1]))


async def test_warnings_are_a_success() -> None:
    report = await run(Category("a", (check("1", broken, warning=True),)))
    assert report.success


async def test_a_retryable_check_is_tried_until_it_comes_right() -> None:
    """Catalogue row 35: it recovers after 12 s, with 30 s of patience."""
    clock, recovers, told = FakeClock(), Recovers(2), list[str]()
    runner = Runner(clock, wait=30, on_retry=lambda _, error: told.append(error))
    running = asyncio.create_task(
        runner.run([Category("a", (check("1", recovers, retryable=True),))])
    )
    for _ in range(2):
        await clock.wait_for_sleepers()
        await clock.advance(INTERVAL)
    report = await running

    assert report.success
    assert recovers.tries == 3
    assert told == ["failure 1", "failure 2"]


async def test_the_deadline_is_for_all_checks_together() -> None:
    clock, first, second = FakeClock(), Recovers(99), Recovers(99)
    checks = (check("1", first, retryable=True), check("2", second, retryable=True))
    running = asyncio.create_task(Runner(clock, wait=11).run([Category("a", checks)]))
    for _ in range(2):
        await clock.wait_for_sleepers()
        await clock.advance(INTERVAL)
    report = await running

    assert (first.tries, second.tries) == (3, 1)
    assert not report.success


async def test_what_is_not_retryable_is_tried_once() -> None:
    recovers = Recovers(1)
    assert not (
        await Runner(FakeClock(), wait=60).run([Category("a", (check("1", recovers),))])
    ).success
    assert recovers.tries == 1


MIXED = (
    Category("first", (check("one"), check("two", broken, warning=True))),
    Category("second", (check("three", broken, fatal=True), check("four"))),
    Category("third", (check("five"), check("six"))),
)


async def printed(form: str, *categories: Category) -> str:
    output = io.StringIO()
    screen = printer(form, output, io.StringIO())
    runner = Runner(FakeClock(), wait=0, on_outcome=screen.outcome, on_retry=screen.retry)
    screen.finish(await runner.run(categories))
    return output.getvalue()


async def test_the_table() -> None:
    assert await printed("table", *MIXED) == (
        "first\n"
        "-----\n"
        "√ one\n"
        "‼ two\n"
        "    it is broken\n"
        "    in two ways\n"
        "    see https://linkerd.io/2/checks/#anchor-two for hints\n"
        "\n"
        "second\n"
        "------\n"
        "\u00d7 three\n"
        "    it is broken\n"
        "    in two ways\n"
        "    see https://linkerd.io/2/checks/#anchor-three for hints\n"
        "\n"
        "Not run, because of the failure above:\n"
        "    second: 1 check\n"
        "    third: 2 checks\n"
        "\n"
        "Status check results are \u00d7\n"
    )


async def test_the_short_form_leaves_out_successes() -> None:
    said = await printed("short", *MIXED)
    assert "one" not in said
    assert "‼ two" in said


async def test_the_short_form_of_nothing_wrong_is_one_line() -> None:
    """Catalogue row 33."""
    assert await printed("short", MIXED[2]) == "Status check results are √\n"


async def test_json() -> None:
    """Catalogue row 32, and a failure."""
    assert json.loads(await printed("json", MIXED[0])) == {
        "success": True,
        "categories": [
            {
                "categoryName": "first",
                "checks": [
                    {"description": "one", "result": "success"},
                    {
                        "description": "two",
                        "hint": "https://linkerd.io/2/checks/#anchor-two",
                        "error": "it is broken\nin two ways",
                        "result": "warning",
                    },
                ],
            }
        ],
    }
    assert json.loads(await printed("json", *MIXED))["success"] is False


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def test_terminals_get_colours_and_what_is_waited_for() -> None:
    output, errors = Terminal(), Terminal()
    screen = printer("table", output, errors)
    screen.retry(check("one"), "not yet\nmore")
    report = await run(Category("a", (check("one"),)))
    screen.outcome(report.outcomes[0])

    assert "\x1b[32m√\x1b[0m one" in output.getvalue()
    assert errors.getvalue() == "\r\x1b[K  one: not yet\r\x1b[K"
