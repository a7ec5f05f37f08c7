"""`linkerd diagnostics controller-metrics` and `proxy-metrics`: metrics as they are, for a report
or for a look where there is no Prometheus."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final

import click

from linkerd.check.cluster import Cluster, Object
from linkerd.check.identity import proxy_container
from linkerd.cli._commands import Command
from linkerd.cli._names import complete_resources
from linkerd.cli._namespace import context_namespace
from linkerd.cli._options import DURATION, namespace_option
from linkerd.cli._reach import answers, reach
from linkerd.cli._resources import pods_of, resource_name
from linkerd.cli._scrape import Endpoint, Page, is_running, obfuscated, pages
from linkerd.cli._target import Target, target_of
from linkerd.delivery.kubectl import Kubectl
from linkerd.mesh.labels import CONTROL_PLANE_COMPONENT
from linkerd.mesh.proxy import ADMIN_PORT, ADMIN_PORT_NAME, PROXY_CONTAINER

_ADMIN: Final = "-admin"  # how the names of ports that serve metrics end

_wait_option: Final = click.option(
    "-w",
    "--wait",
    type=DURATION,
    default="30s",
    show_default=True,
    help="How long a pod may take to answer.",
)


@click.command(
    "controller-metrics", cls=Command, short_help="Print the metrics of the control plane."
)
@_wait_option
def controller_metrics(wait: timedelta) -> None:
    """Print the metrics of every container of the control plane that serves some.

    Those are the containers that have a port whose name ends with -admin. Exit code 1 when one of
    them does not answer; the others are printed all the same.
    """
    target = target_of()
    targets = asyncio.run(_controllers(target))
    if not targets:
        raise click.ClickException(
            f"no pod of the control plane runs in namespace {target.namespace}"
        )
    _show(asyncio.run(pages(Kubectl(access=target.access), targets, wait.total_seconds())))


@click.command("proxy-metrics", cls=Command, short_help="Print the metrics of proxies.")
@click.argument(
    "resource",
    nargs=-1,
    required=True,
    metavar="TYPE/NAME",
    shell_complete=complete_resources,
)
@namespace_option("Namespace of the resource. [default: the context's]")
@click.option(
    "--obfuscate",
    is_flag=True,
    help="Put digits in the place of authorities, identities, addresses and service names.",
)
@_wait_option
def proxy_metrics(
    resource: tuple[str, ...], namespace: str | None, obfuscate: bool, wait: timedelta
) -> None:
    """Print the metrics of the proxies of TYPE/NAME: of a pod, or of all pods that a deployment,
    daemonset, statefulset, replicaset, job or service selects.

    Exit code 1 when one of them does not answer; the others are printed all the same.
    """
    name = resource_name(resource)
    access = target_of().access
    kubectl = asyncio.run(reach(access))
    namespace = namespace or context_namespace(access)
    pods = pods_of(kubectl, name, namespace)
    targets = [target for pod in pods if (target := _proxy(pod, namespace)) is not None]
    if not targets:
        raise click.ClickException(f"no pod of {name} in namespace {namespace} runs a proxy")
    _show(asyncio.run(pages(kubectl, targets, wait.total_seconds())), obfuscate=obfuscate)


async def _controllers(target: Target) -> list[Endpoint]:
    await answers(target.access)
    async with Cluster(target.access, target.namespace) as cluster:
        found = cluster.pods(target.namespace, CONTROL_PLANE_COMPONENT)
        return [each async for pod in found for each in _admin_ports(pod, target.namespace)]


def _admin_ports(pod: Object, namespace: str) -> Iterator[Endpoint]:
    """Those of a running pod's own containers; its proxy is not one of the control plane."""
    for container in pod["spec"]["containers"] if is_running(pod) else ():
        for port in container.get("ports") or ():
            if port.get("name", "").endswith(_ADMIN) and container["name"] != PROXY_CONTAINER:
                pod_name = pod["metadata"]["name"]
                yield Endpoint(namespace, pod_name, container["name"], port["containerPort"])


def _proxy(pod: Object, namespace: str) -> Endpoint | None:
    container = proxy_container(pod)
    if container is None or not is_running(pod):
        return None
    ports = {port.get("name"): port["containerPort"] for port in container.get("ports") or ()}
    port = ports.get(ADMIN_PORT_NAME, ADMIN_PORT)
    return Endpoint(namespace, pod["metadata"]["name"], container["name"], port)


def _show(found: Sequence[Page], *, obfuscate: bool = False) -> None:
    """Prints the pages pod by pod. Exits with 1 when one is missing."""
    pods = [(name, list(group)) for name, group in groupby(found, lambda page: page.target.pod)]
    for number, (name, group) in enumerate(pods, 1):
        click.echo(f"#\n# POD {name} ({number} of {len(pods)})")
        for page in group:
            click.echo(f"# CONTAINER {page.target.container}\n#")
            text = obfuscated(page.text) if obfuscate else page.text
            click.echo(text if page.problem is None else f"# ERROR {_one_line(page.problem)}")
            if page.problem is not None:
                click.echo(f"Error: pod {name}: {_one_line(page.problem)}", err=True)
    if any(page.problem is not None for page in found):
        click.get_current_context().exit(1)


def _one_line(text: str) -> str:
    return " ".join(text.split())
