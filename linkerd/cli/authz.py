"""`linkerd authz`: who is let in to workloads, by which objects."""

import asyncio
import json
import sys
from typing import Any, Final, TypeVar

import click

from linkerd.check.cluster import Cluster
from linkerd.cli._authorizations import Objects, Row, authorizations
from linkerd.cli._commands import Command
from linkerd.cli._names import complete_resources
from linkerd.cli._namespace import context_namespace
from linkerd.cli._options import namespace_option, output_option
from linkerd.cli._reach import reach
from linkerd.cli._resources import pods_of, resource_name
from linkerd.cli._screen import table
from linkerd.cli._target import Target, target_of
from linkerd.kube.objects import KubeObject
from linkerd.kube.resource import (
    AUTHORIZATION_POLICIES,
    GRPC_ROUTES,
    HTTP_ROUTES,
    LINKERD_HTTP_ROUTES,
    SERVER_AUTHORIZATIONS,
    SERVERS,
    Resource,
)
from linkerd.policy.references import GATEWAY_HTTP_ROUTE, GRPC_ROUTE, LINKERD_HTTP_ROUTE, GroupKind

T = TypeVar("T", bound=KubeObject)

_COLUMNS: Final = ("ROUTE", "SERVER", "AUTHORIZATION_POLICY", "SERVER_AUTHORIZATION")
_ANY: Final = "*"  # instead of a route
_ROUTES: Final[dict[GroupKind, Resource[Any]]] = {
    LINKERD_HTTP_ROUTE: LINKERD_HTTP_ROUTES,
    GATEWAY_HTTP_ROUTE: HTTP_ROUTES,
    GRPC_ROUTE: GRPC_ROUTES,
}


@click.command("authz", cls=Command, short_help="List what lets clients in to workloads.")
@click.argument(
    "resource", nargs=-1, required=True, metavar="TYPE/NAME", shell_complete=complete_resources
)
@namespace_option("Namespace of the resource. [default: the context's]")
@output_option("table", "json")
def command(resource: tuple[str, ...], namespace: str | None, output: str) -> None:
    """List the authorizations of the Servers that select TYPE/NAME: a pod, or the pods of a
    deployment, daemonset, statefulset, replicaset, job or service.

    A ROUTE of * stands for all requests. Ports that no Server selects have a default policy, which
    is not an object.
    """
    name, target = resource_name(resource), target_of()
    kubectl = asyncio.run(reach(target.access))
    namespace = namespace or context_namespace(target.access)
    pods = [pod["metadata"].get("labels") or {} for pod in pods_of(kubectl, name, namespace)]
    objects, faults = asyncio.run(_objects(target, namespace))
    rows, more = authorizations(objects, pods)
    click.echo(_rendered(rows, output))
    for fault in faults + more:
        click.echo(f"# {fault}", err=True)


def _rendered(rows: list[Row], output: str) -> str:
    if output == "json":
        return json.dumps([row._asdict() for row in rows], indent=2)
    if not rows:
        return "No authorizations found."
    cells = [_COLUMNS, *((row.route or _ANY, *row[1:]) for row in rows)]
    return table(cells, sys.stdout, gap="  ")


async def _objects(target: Target, namespace: str) -> tuple[Objects, list[str]]:
    """What there is in the namespace, and what of it cannot be read. Raises KubeError."""
    faults: list[str] = []
    async with Cluster(target.access, target.namespace) as cluster:

        async def read(resource: Resource[T]) -> list[T]:
            found, malformed = await cluster.listed(resource.narrowed(namespace))
            for each in malformed:
                name = each.key.name if each.key else "without a name"
                faults.append(f"{resource.kind.lower()} {name} cannot be read: {each.problem}")
            return found

        objects = Objects(
            servers=await read(SERVERS),
            server_authorizations=await read(SERVER_AUTHORIZATIONS),
            authorization_policies=await read(AUTHORIZATION_POLICIES),
            routes={kind: await read(resource) for kind, resource in _ROUTES.items()},
        )
    return objects, faults
