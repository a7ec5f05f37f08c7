"""`linkerd diagnostics`: what the control plane tells proxies.

The first thing to look at when traffic goes astray: what destination says, beside what
`kubectl get endpointslices` says.
"""

import asyncio
import ipaddress
import json
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
import yaml
from google.protobuf.json_format import MessageToDict

from linkerd.cli._destination import Client, DestinationError, Way, connect, context_token
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import net_pb2

_FIRST_SECONDS: Final = 5.0  # to wait for the first message
_MORE_SECONDS: Final = 0.3  # of silence, after which the answer counts as complete
_LET_GO_SECONDS: Final = 1.0  # that an interrupted command has to end in good order
_COLUMNS: Final = ("NAMESPACE", "IP", "PORT", "POD", "SERVICE")

Endpoint = dict[str, Any]
"""What is printed of an endpoint; in JSON, all of it."""

_Known = dict[tuple[str, int], Endpoint]

_OPTIONS: Final = (
    click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How to print; with --watch, json is an object a line.",
    ),
    click.option("-w", "--watch", is_flag=True, help="Go on, and print every change."),
    click.option("--token", help="Context token to send, as it is."),
    click.option("-n", "--namespace", help="Ask as a proxy in this namespace does."),
    click.option("--node", help="Ask as a proxy on this node does."),
    click.option("--destination-addr", help="HOST:PORT of a destination service to ask directly."),
    click.option("--destination-pod", help="Pod of the control plane to ask."),
    click.option(
        "-L",
        "--linkerd-namespace",
        envvar="LINKERD_NAMESPACE",
        default="linkerd",
        show_default=True,
        help="Namespace of the control plane.",
    ),
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        help="Which cluster to ask; as kubectl when not given.",
    ),
)


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.group(
    "diagnostics",
    short_help="Look at what the control plane tells proxies.",
    epilog="Examples:\n\n\b\n"
    "  linkerd diagnostics endpoints web.demo.svc.cluster.local:80\n"
    "  linkerd diagnostics endpoints web.demo.svc.cluster.local:80 --watch\n"
    "  linkerd diagnostics profile 10.96.0.1:443\n"
    "  linkerd diagnostics endpoints x.y.svc.cluster.local --destination-addr localhost:8086",
)
def command() -> None:
    """Ask the control plane what it tells proxies.

    Without --destination-addr the service is reached through the cluster's API server, by kubectl's
    port-forward.
    """


@command.command(short_help="Print the endpoints of services.")
@click.argument("authorities", metavar="AUTHORITY...", nargs=-1, required=True)
@_with_options
def endpoints(authorities: tuple[str, ...], output: str, watch: bool, **options: Any) -> None:
    """Print the endpoints that proxies are sent to for each AUTHORITY.

    An authority is a service's full name and a port, such as web.demo.svc.cluster.local:80 (80 when
    left out); a pod's hostname may stand in front. With --watch, each change is a line: + for an
    endpoint that is new or described otherwise, - for one that is gone.
    """
    _run(_endpoints(_way(**options), authorities, output, watch=watch))


@command.command(short_help="Print how traffic to a service or IP is treated.")
@click.argument("authority")
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
    destination_addr: str | None,
    destination_pod: str | None,
    linkerd_namespace: str,
    kubeconfig: Path | None,
) -> Way:
    said = context_token(token, namespace, node)
    return Way(destination_addr, kubeconfig, linkerd_namespace, destination_pod, said)


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(_until_interrupted(work))


async def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Ctrl-C is how a watch is ended. The interpreter's own way cancels once, and grpc.aio can lose
    a cancellation that meets an arriving message; so the second one is asyncio.run's, at its end.
    """
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
            await asyncio.gather(*(_watch_endpoints(client, name, output) for name in authorities))
        else:
            groups = await asyncio.gather(*(_known(client, name) for name in authorities))
            click.echo(render(groups, output))


async def _known(client: Client, authority: str) -> list[Endpoint]:
    """All endpoints, once the service has said what there is."""
    known: _Known = {}
    async for update in _until_quiet(client.updates(authority)):
        _changes(update, known)
    return sorted(known.values(), key=_order)


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
                click.echo(f"{mark} {'  '.join(_row(endpoint))}")
        if not changes:
            click.echo(f"# {authority} has no endpoints", err=True)
    click.echo(f"# {authority}: the stream has ended", err=True)


def _changes(update: pb.Update, known: _Known) -> list[tuple[str, Endpoint]]:
    """Applies an update to what is known; what it added (+) and removed (-)."""
    labels = dict(update.add.metric_labels)
    added = [describe(address, labels) for address in update.add.addrs]
    gone = [_bare(address) for address in update.remove.addrs]
    removed = [known.pop(_socket(endpoint), endpoint) for endpoint in gone]
    known.update((_socket(endpoint), endpoint) for endpoint in added)
    return [*(("+", endpoint) for endpoint in added), *(("-", endpoint) for endpoint in removed)]


def _socket(endpoint: Endpoint) -> tuple[str, int]:
    return endpoint["ip"], endpoint["port"]


def describe(address: pb.WeightedAddr, labels: dict[str, str]) -> Endpoint:
    """An endpoint of an Add whose set has these labels."""
    merged = labels | dict(address.metric_labels)
    endpoint = _bare(address.addr) | {
        "namespace": merged.get("namespace", ""),
        "pod": merged.get("pod", merged.get("external_workload", "")),
        "service": f"{merged.get('service', '')}.{merged.get('namespace', '')}",
        "weight": address.weight,
        "http2": _plain(address.http2) if address.HasField("http2") else {},
        "labels": dict(sorted(merged.items())),
    }
    for field in ("tls_identity", "protocol_hint", "authority_override"):
        if address.HasField(field):
            endpoint[field] = _plain(getattr(address, field))
    return endpoint


def _bare(address: net_pb2.TcpAddress) -> Endpoint:
    return {"namespace": "", "ip": _ip(address.ip), "port": address.port, "pod": "", "service": ""}


def _ip(ip: net_pb2.IPAddress) -> str:
    if ip.HasField("ipv6"):
        return str(ipaddress.IPv6Address(ip.ipv6.first << 64 | ip.ipv6.last))
    return str(ipaddress.IPv4Address(ip.ipv4))


def _order(endpoint: Endpoint) -> tuple[Any, ...]:
    ip = ipaddress.ip_address(endpoint["ip"])
    return endpoint["namespace"], endpoint["service"], ip.version, ip, endpoint["port"]


def render(groups: Iterable[Sequence[Endpoint]], output: str) -> str:
    """What is printed of the endpoints of several authorities."""
    found = [group for group in groups if group]
    if output == "json":
        return json.dumps([endpoint for group in found for endpoint in group], indent=2)
    if not found:
        return "No endpoints found."
    rows = [row for group in found for row in (*map(_row, group), [])]
    widths = [max(len(row[i]) for row in [_COLUMNS, *rows] if row) for i in range(len(_COLUMNS))]
    lines = [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if row
        else ""
        for row in [_COLUMNS, *rows]
    ]
    return "\n".join(lines).rstrip()


def _row(endpoint: Endpoint) -> list[str]:
    return [str(endpoint[column.lower()]) for column in _COLUMNS]


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


def render_profile(message: pb.DestinationProfile, output: str, *, one_line: bool = False) -> str:
    """A profile as YAML or JSON, with addresses as people write them."""
    said = _plain(message)
    if output == "json":
        return json.dumps(said, indent=None if one_line else 2)
    return yaml.safe_dump(said, sort_keys=False).rstrip()


def _plain(message: Any) -> Any:
    return _readable(MessageToDict(message, preserving_proto_field_name=True))


def _readable(value: Any) -> Any:
    """Numbers that are addresses, as text."""
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("ipv4"), int):
        return str(ipaddress.IPv4Address(value["ipv4"]))
    if isinstance(halves := value.get("ipv6"), dict):
        first, last = int(halves.get("first", 0)), int(halves.get("last", 0))
        return str(ipaddress.IPv6Address(first << 64 | last))
    return {key: _readable(item) for key, item in value.items()}
