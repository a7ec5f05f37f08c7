"""`linkerd diagnostics policy`: what proxies are told of a port that they serve, or call."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import click

from linkerd.cli._commands import Command
from linkerd.cli._messages import render
from linkerd.cli._names import complete_resources
from linkerd.cli._namespace import context_namespace
from linkerd.cli._options import ADDRESS, namespace_option, output_option
from linkerd.cli._services import POLICY, ServiceError, Way, connect, messages
from linkerd.cli._streaming import FIRST_SECONDS, run
from linkerd.cli._target import target_of
from linkerd.mesh.ports import MAX_PORT
from linkerd.rpc.methods import Signature, signatures
from linkerd.runtime.values import HostPort
from linkerd.stubs.proxy import inbound_pb2, outbound_pb2
from linkerd.wire.net import tcp_address

_INBOUND: Final = signatures(inbound_pb2.DESCRIPTOR.services_by_name["InboundServerPolicies"])
_OUTBOUND: Final = signatures(outbound_pb2.DESCRIPTOR.services_by_name["OutboundPolicies"])
_WORKLOADS: Final = {
    "po": "pod", "pod": "pod", "pods": "pod", "externalworkload": "external_workload",
    "externalworkloads": "external_workload",
}  # fmt: skip
"""Types that serve, and what their names stand behind in the token of a workload."""
_SERVICES: Final = frozenset({"svc", "service", "services"})

_Question = tuple[Signature, Any]


@click.command("policy", cls=Command, short_help="Print the policy of a port.")
@click.argument("resource", metavar="TYPE/NAME", shell_complete=complete_resources)
@click.argument("port", type=click.IntRange(1, MAX_PORT))
@output_option("yaml", "json", help_text="How to print; with --watch, json is a policy a line.")
@click.option("-w", "--watch", is_flag=True, help="Go on, and print it again when it changes.")
@namespace_option("Namespace of the resource. [default: the context's]")
@click.option(
    "--token",
    default="default:diagnostics",
    show_default=True,
    help="Workload to ask as, for what is called: NAMESPACE:POD, or JSON.",
)
@click.option(
    "--policy-addr", type=ADDRESS, metavar="HOST:PORT", help="A policy service to ask directly."
)
@click.option(
    "--policy-pod", "--destination-pod", "policy_pod", help="Pod of the control plane to ask."
)
def policy(
    resource: str,
    port: int,
    output: str,
    watch: bool,
    namespace: str | None,
    token: str,
    policy_addr: HostPort | None,
    policy_pod: str | None,
) -> None:
    """Print the policy of PORT of TYPE/NAME, as proxies get it.

    Of a pod or an externalworkload it is what its own proxy is told: how to serve the port, and
    whom. Of a service (svc), and of an IP in the place of TYPE/NAME, it is what proxies are told
    that call the port.
    """
    target = target_of()
    question = _address(resource, port, token) or _named(
        resource, namespace or context_namespace(target.access), port, token
    )
    run(_print(Way(POLICY, target, policy_addr, policy_pod), question, output, watch=watch))


def _address(text: str, port: int, token: str) -> _Question | None:
    """What to ask of an IP; None when it is none."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    spec = outbound_pb2.TrafficSpec(source_workload=token, addr=tcp_address(str(ip), port))
    return _OUTBOUND["Watch"], spec


def _named(resource: str, namespace: str, port: int, token: str) -> _Question:
    """What to ask of an object. Raises UsageError when its type has no policy."""
    kind, slash, name = resource.partition("/")
    if kind in _WORKLOADS and name:
        workload = json.dumps({"ns": namespace, _WORKLOADS[kind]: name})
        return _INBOUND["WatchPort"], inbound_pb2.PortSpec(workload=workload, port=port)
    if kind in _SERVICES and name:
        authority = f"{name}.{namespace}.svc:{port}"
        spec = outbound_pb2.TrafficSpec(source_workload=token, authority=authority)
        return _OUTBOUND["Watch"], spec
    if slash and name:
        raise click.UsageError(f"a {kind} has no policy: name a pod, externalworkload or svc")
    raise click.UsageError("name a resource, such as pod/web-1 or svc/web, or an IP")


async def _print(way: Way, question: _Question, output: str, *, watch: bool) -> None:
    async with connect(way) as channel:
        said = messages(channel, way.service, *question)
        if not watch:
            click.echo(render(await _first(said), output))
            return
        async for message in said:
            click.echo(render(message, output, one_line=True))
            if output != "json":
                click.echo("---")
        click.echo("# the stream has ended", err=True)


async def _first(said: AsyncIterator[Any]) -> Any:
    """Raises ServiceError when nothing comes."""
    try:
        async with asyncio.timeout(FIRST_SECONDS):
            return await anext(said)
    except (TimeoutError, StopAsyncIteration):
        raise ServiceError(f"No policy within {FIRST_SECONDS:.0f} s.") from None
