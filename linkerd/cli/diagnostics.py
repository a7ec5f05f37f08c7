"""`linkerd diagnostics`: what the control plane tells proxies.

The first thing to look at when traffic goes astray: what destination says, beside what
`kubectl get endpointslices` says.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

import click

from linkerd.cli._commands import Group
from linkerd.cli._destination import Client, client, context_token
from linkerd.cli._endpoints import Endpoint, bare, describe, order, render, row
from linkerd.cli._messages import render as render_message
from linkerd.cli._metrics import controller_metrics, proxy_metrics
from linkerd.cli._names import complete_authorities
from linkerd.cli._options import ADDRESS, namespace_option, output_option
from linkerd.cli._policy import policy
from linkerd.cli._screen import say
from linkerd.cli._services import DESTINATION, AbsentError, ServiceError, Way
from linkerd.cli._streaming import FIRST_SECONDS, run, until_quiet
from linkerd.cli._target import target_of
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2 as pb

T = TypeVar("T")

_Known = dict[tuple[str, int], Endpoint]
_Connecting = AbstractAsyncContextManager[Client]

_OPTIONS: Final = (
    output_option(
        "table", "json", help_text="How to print; with --watch, json is an object a line."
    ),
    click.option("-w", "--watch", is_flag=True, help="Go on, and print every change."),
    click.option("--token", help="Context token to send, as it is."),
    namespace_option("Ask as a proxy in this namespace does."),
    click.option("--node", help="Ask as a proxy on this node does."),
    click.option(
        "--destination-addr",
        type=ADDRESS,
        metavar="HOST:PORT",
        help="A destination service to ask directly.",
    ),
    click.option("--destination-pod", help="Pod of the control plane to ask."),
)


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.group(
    "diagnostics",
    cls=Group,
    aliases={"ep": "endpoints", "cp-metrics": "controller-metrics"},
    short_help="Look at what the control plane tells proxies, and at metrics.",
    epilog="Examples:\n\n\b\n"
    "  linkerd diagnostics endpoints web.demo.svc.cluster.local:80\n"
    "  linkerd diagnostics endpoints web.demo.svc.cluster.local:80 --watch\n"
    "  linkerd diagnostics profile 10.96.0.1:443\n"
    "  linkerd diagnostics policy -n demo svc/web 80\n"
    "  linkerd diagnostics endpoints x.y.svc.cluster.local --destination-addr localhost:8086\n"
    "  linkerd diagnostics controller-metrics\n"
    "  linkerd diagnostics proxy-metrics -n demo deploy/web",
)
def command() -> None:
    """Ask the control plane what it tells proxies, and read metrics of its pods and of proxies.

    Without the address of a service it is reached through the cluster's API server, by kubectl's
    port-forward, as pods are.
    """


command.add_command(controller_metrics)
command.add_command(proxy_metrics)
command.add_command(policy)


@command.command(short_help="Print the endpoints of services.")
@click.argument(
    "authorities",
    metavar="AUTHORITY...",
    nargs=-1,
    required=True,
    shell_complete=complete_authorities,
)
@_with_options
def endpoints(authorities: tuple[str, ...], output: str, watch: bool, **options: Any) -> None:
    """Print the endpoints that proxies are sent to for each AUTHORITY.

    An authority is a service's full name and a port, such as web.demo.svc.cluster.local:80 (80 when
    left out); a pod's hostname may stand in front. With --watch, each change is a line: + for an
    endpoint that is new or described otherwise, - for one that is gone.
    """
    run(_endpoints(_client(**options), authorities, output, watch=watch))


@command.command(short_help="Print how traffic to a service or IP is treated.")
@click.argument("authority", shell_complete=complete_authorities)
@_with_options
def profile(authority: str, output: str, watch: bool, **options: Any) -> None:
    """Print the profile that proxies get for AUTHORITY.

    An authority is a service's full name and a port, or an IP and a port. It is printed as YAML, or
    as JSON; with --watch, again whenever it changes.
    """
    run(_profile(_client(**options), authority, output, watch=watch))


def _client(
    token: str | None,
    namespace: str | None,
    node: str | None,
    destination_addr: HostPort | None,
    destination_pod: str | None,
) -> _Connecting:
    way = Way(DESTINATION, target_of(), destination_addr, destination_pod)
    return client(way, context_token(token, namespace, node))


async def _endpoints(
    connecting: _Connecting, authorities: Sequence[str], output: str, *, watch: bool
) -> None:
    async with connecting as client:
        if watch:
            await _together([_watch_endpoints(client, name, output) for name in authorities])
        else:
            found = await _together([_known(client, name) for name in authorities])
            _print(dict(zip(authorities, found, strict=True)), output)


def _print(found: Mapping[str, list[Endpoint] | None], output: str) -> None:
    """Prints what there is. Exits with 1 when a service does not exist."""
    groups = [group for group in found.values() if group is not None]
    if groups or output == "json":
        click.echo(render(groups, output))
    absent = [name for name, group in found.items() if group is None]
    for name in absent:
        click.echo(f"Error: {name} does not exist: there is no such service", err=True)
    if absent:
        click.get_current_context().exit(1)


async def _together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them return; the first that fails ends the others."""
    tasks = [asyncio.create_task(work, name="authority") for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _known(client: Client, authority: str) -> list[Endpoint] | None:
    """All endpoints, once the service has said what there is; None without such a service."""
    known: _Known = {}
    try:
        async for update in until_quiet(client.updates(authority)):
            _changes(update, known)
    except AbsentError:
        return None
    return sorted(known.values(), key=order)


async def _watch_endpoints(client: Client, authority: str, output: str) -> None:
    known: _Known = {}
    async for update in client.updates(authority):
        changes = _changes(update, known)
        for mark, endpoint in changes:
            if output == "json":
                change = {"+": "add", "-": "remove"}[mark]
                click.echo(json.dumps({"authority": authority, "change": change, **endpoint}))
            else:
                say(f"{mark} {'  '.join(row(endpoint))}")
        if not changes:
            click.echo(f"# {authority} has no endpoints", err=True)
    click.echo(f"# {authority}: the stream has ended", err=True)


def _changes(update: pb.Update, known: _Known) -> list[tuple[str, Endpoint]]:
    """Applies an update to what is known; what it added (+) and removed (-)."""
    labels = dict(update.add.metric_labels)
    added = [describe(address, labels) for address in update.add.addrs]
    gone = [bare(address) for address in update.remove.addrs]
    removed = [known.pop(_socket(endpoint), endpoint) for endpoint in gone]
    known.update((_socket(endpoint), endpoint) for endpoint in added)
    return [*(("+", endpoint) for endpoint in added), *(("-", endpoint) for endpoint in removed)]


def _socket(endpoint: Endpoint) -> tuple[str, int]:
    return endpoint["ip"], endpoint["port"]


async def _profile(connecting: _Connecting, authority: str, output: str, *, watch: bool) -> None:
    async with connecting as client:
        messages = client.profiles(authority)
        if not watch:
            found = [message async for message in until_quiet(messages)]
            if not found:
                raise ServiceError(f"No profile of {authority} within {FIRST_SECONDS:.0f} s.")
            click.echo(render_message(found[-1], output))
            return
        async for message in messages:
            click.echo(render_message(message, output, one_line=True))
            if output != "json":
                click.echo("---")
        click.echo(f"# {authority}: the stream has ended", err=True)
