"""`linkerd check`: what is wrong with the control plane, and where to read what to do."""

import asyncio
from datetime import timedelta
from typing import Final

import click

from linkerd.check.categories import core_categories
from linkerd.check.cluster import Cluster
from linkerd.check.model import Report
from linkerd.check.render import Printer, printer
from linkerd.check.runner import Runner
from linkerd.cli._commands import Command
from linkerd.cli._options import DURATION, namespace_option, output_option
from linkerd.cli._target import target_of
from linkerd.runtime.clock import SystemClock

_ANSWER_SECONDS: Final = 30.0  # for an answer of the API server, unless --wait is shorter
_LEAST_SECONDS: Final = 1.0


@click.command("check", cls=Command, short_help="Check the control plane for problems.")
@click.option("--proxy", is_flag=True, help="Check the data plane too.")
@namespace_option("Namespace for --proxy. [default: all namespaces]")
@output_option("table", "short", "json", help_text="How to print; short leaves out what succeeded.")
@click.option(
    "--wait",
    type=DURATION,
    default="300s",
    show_default=True,
    help="How long to wait for an answer, and for what may come right by itself.",
)
@click.pass_context
def command(
    ctx: click.Context,
    proxy: bool,
    namespace: str | None,
    output: str,
    wait: timedelta,
) -> None:
    """Check the cluster and the control plane for problems.

    Exit code 1 when a check failed; warnings do not count. After a failure that makes the rest
    pointless, what was not run is listed.
    """
    target = target_of(ctx)
    seconds = min(_ANSWER_SECONDS, max(wait.total_seconds(), _LEAST_SECONDS))
    cluster = Cluster(target.access, target.namespace, seconds=seconds)
    work = _run(cluster, printer(output), wait, proxy=proxy, namespace=namespace or "")
    report = asyncio.run(work)
    if not report.success:
        ctx.exit(1)


async def _run(
    cluster: Cluster, screen: Printer, wait: timedelta, *, proxy: bool, namespace: str
) -> Report:
    clock = SystemClock()
    runner = Runner(
        clock, wait=wait.total_seconds(), on_outcome=screen.outcome, on_retry=screen.retry
    )
    async with cluster:
        categories = core_categories(cluster, clock, proxy=proxy, namespace=namespace)
        report = await runner.run(categories)
    screen.finish(report)
    return report
