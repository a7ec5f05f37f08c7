"""`linkerd diagnostics`: what the control plane tells proxies.

The first thing to look at when traffic goes astray: what destination says, beside what
`kubectl get endpointslices` says.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import click

from linkerd.cli._commands import Group
from linkerd.cli._destination import (
    AbsentError,
    Client,
    DestinationError,
    Way,
    connect,
    context_token,
)
from linkerd.cli._endpoints import Endpoint, bare, describe, order, render, render_profile, row
from linkerd.cli._metrics import controller_metrics, proxy_metrics
from linkerd.cli._names import complete_authorities
from linkerd.cli._options import ADDRESS, namespace_option, output_option
from linkerd.cli._screen import say
from linkerd.cli._target import target_of
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import destination_pb2 as pb

T = TypeVar("T")

_FIRST_SECONDS: Final = 5.0  # to wait for the first message
_MORE_SECONDS: Final = 0.3  # of silence, after which the answer counts as complete
_LET_GO_SECONDS: Final = 1.0  # that an interrupted command has to end in good order

_Known = dict[tuple[str, int], Endpoint]

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
    "  linkerd diagnostics endpoints x.y.svc.cluster.local --destination-addr localhost:8086\n"
    "  linkerd diagnostics controller-metrics\n"
    "  linkerd diagnostics proxy-metrics -n demo deploy/web",
)
def command() -> None:
    """Ask the control plane what it tells proxies, and read metrics of its pods and of proxies.

    Without --destination-addr everything is reached through the cluster's API server, by kubectl's
    port-forward.
    """


command.add_command(controller_metrics)
command.add_command(proxy_metrics)


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
    _run(_endpoints(_way(**options), authorities, output, watch=watch))


@command.command(short_help="Print how traffic to a service or IP is treated.")
@click.argument("authority", shell_complete=complete_authorities)
@_with_options
def profile(authority: str, output: str, watch: bool, **options: Any) -> None:
    """Print the profile that proxies get for AUTHORITY.

    An authority is a service's full name and a port, or an IP and a port. It is printed as YAML, or
    as JSON; with --watch, again whenever it changes.
    """
    _run(_profile(_way(**options), authority, output, watch=watch))


def _way(
    token: str | None,
    namespace: str | None,
    node: str | None,
    destination_addr: HostPort | None,
    destination_pod: str | None,
) -> Way:
    said = context_token(token, namespace, node)
    return Way(target_of(), destination_addr, destination_pod, said)


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(_until_interrupted(work))


async def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Ctrl-C is how a watch is ended: in good order, and without a word."""
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    task = asyncio.create_task(work, name="diagnostics")
    waiter = asyncio.create_task(interrupted.wait(), name="interrupt")
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_LET_GO_SECONDS)
    elif not task.cancelled():
        task.result()


async def _endpoints(way: Way, authorities: Sequence[str], output: str, *, watch: bool) -> None:
    async with connect(way) as client:
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
        async for update in _until_quiet(client.updates(authority)):
            _changes(update, known)
    except AbsentError:
        return None
    return sorted(known.values(), key=order)


async def _until_quiet(messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The messages that come at once; a stream's first one is complete, a joined one may add."""
    patience = _FIRST_SECONDS
    with suppress(StopAsyncIteration, TimeoutError):
        while True:
            async with asyncio.timeout(patience):
                message = await anext(messages)
            yield message
            patience = _MORE_SECONDS


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


async def _profile(way: Way, authority: str, output: str, *, watch: bool) -> None:
    async with connect(way) as client:
        messages = client.profiles(authority)
        if not watch:
            found = [message async for message in _until_quiet(messages)]
            if not found:
                raise DestinationError(f"No profile of {authority} within {_FIRST_SECONDS:.0f} s.")
            click.echo(render_profile(found[-1], output))
            return
        async for message in messages:
            click.echo(render_profile(message, output, one_line=True))
            if output != "json":
                click.echo("---")
        click.echo(f"# {authority}: the stream has ended", err=True)
