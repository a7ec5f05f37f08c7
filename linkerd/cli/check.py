"""`linkerd check`: what is wrong with the control plane, and where to read what to do."""

import asyncio
from datetime import timedelta
from pathlib import Path

import click

from linkerd.check.categories import core_categories
from linkerd.check.cluster import Cluster
from linkerd.check.model import Report
from linkerd.check.render import Printer, printer
from linkerd.check.runner import Runner
from linkerd.cli._options import DURATION, kubeconfig_option, linkerd_namespace_option
from linkerd.runtime.clock import SystemClock


@click.command("check", short_help="Check the control plane for problems.")
@click.option("--proxy", is_flag=True, help="Check the data plane too.")
@click.option(
    "-n", "--namespace", default="", help="Namespace for --proxy. [default: all namespaces]"
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "short", "json"]),
    default="table",
    show_default=True,
    help="How to print; short leaves out what succeeded.",
)
@click.option(
    "--wait",
    type=DURATION,
    default="300s",
    show_default=True,
    help="How long to wait for what may come right by itself.",
)
@linkerd_namespace_option
@kubeconfig_option
@click.pass_context
def command(
    ctx: click.Context,
    proxy: bool,
    namespace: str,
    output: str,
    wait: timedelta,
    linkerd_namespace: str,
    kubeconfig: Path | None,
) -> None:
    """Check the cluster and the control plane for problems.

    Exit code 1 when a check failed; warnings do not count. After a failure that makes the rest
    pointless, what was not run is listed.
    """
    cluster = Cluster(kubeconfig, linkerd_namespace)
    report = asyncio.run(_run(cluster, printer(output), wait, proxy=proxy, namespace=namespace))
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
