"""Words that shells complete from the cluster: namespaces, services, pods, workloads, contexts.

Whoever presses tab waits, so the cluster has a moment to answer; where it does not, or says no,
there is nothing to complete, and nothing is printed.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import click
import yaml
from click.shell_completion import CompletionItem

from linkerd.check.cluster import Cluster, Object
from linkerd.cli._control_plane import cluster_domain
from linkerd.cli._namespace import context_namespace
from linkerd.cli._target import Target, target_of
from linkerd.delivery.errors import DeliveryError
from linkerd.kube.credentials import find_kubeconfig
from linkerd.kube.errors import KubeError
from linkerd.local.errors import LocalError
from linkerd.mesh.names import DEFAULT_DOMAIN, service_name

_SECONDS: Final = 2.0
_LIMIT: Final = "500"  # of what is asked for; more is nothing to choose from
_SILENT: Final = (KubeError, DeliveryError, LocalError, TimeoutError, OSError, click.ClickException)
_PLURALS: Final = {
    "pod": "/api/v1", "service": "/api/v1", "job": "/apis/batch/v1", "deployment": "/apis/apps/v1",
    "daemonset": "/apis/apps/v1", "statefulset": "/apis/apps/v1", "replicaset": "/apis/apps/v1",
}  # fmt: skip
"""Kinds whose pods can be found, and where they are."""
_SHORT: Final = {
    "po": "pod", "svc": "service", "deploy": "deployment", "ds": "daemonset", "sts": "statefulset",
    "rs": "replicaset",
}  # fmt: skip

Items = list[CompletionItem[str]]


def namespaces(ctx: click.Context, incomplete: str) -> Items:
    """Namespaces of the cluster."""
    return _beginning(incomplete, _listed(ctx, "/api/v1/namespaces"))


def contexts(ctx: click.Context, incomplete: str) -> Items:
    """Contexts of the kubeconfig."""
    names: list[str] = []
    with suppress(*_SILENT, yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError):
        found = find_kubeconfig(target_of(ctx).access.kubeconfig, os.environ) or ""
        for path in filter(os.path.isfile, found.split(os.pathsep)):
            with open(path, "rb") as file:  # noqa: PTH123  # the name of a file as it is listed
                names += [str(each["name"]) for each in yaml.safe_load(file)["contexts"]]
    return _beginning(incomplete, names)


def complete_pods(ctx: click.Context, param: click.Parameter | None, incomplete: str) -> Items:
    """Pods of the namespace."""
    del param
    return _beginning(incomplete, _listed(ctx, "/api/v1", "pods"))


def complete_services(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Services of the namespace."""
    del param
    return _beginning(incomplete, _listed(ctx, "/api/v1", "services"))


def complete_resources(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """TYPE/, then the names of that type in the namespace."""
    del param
    word, slash, _ = incomplete.partition("/")
    kind = _SHORT.get(word, word)
    if not slash:
        return _beginning(incomplete, (f"{kind}/" for kind in _PLURALS))
    if kind not in _PLURALS:
        return []
    found = _listed(ctx, _PLURALS[kind], f"{kind}s")
    return _beginning(incomplete, (f"{word}/{name}" for name in found))


def complete_authorities(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Full names of services, each with its ports; in all namespaces."""
    del param
    with suppress(*_SILENT, BaseExceptionGroup):
        services, domain = asyncio.run(_services_and_domain(target_of(ctx)))
        return _beginning(incomplete, _authorities(services, domain))
    return []


async def _services_and_domain(target: Target) -> tuple[list[Object], str]:
    async def domain() -> str:
        with suppress(KubeError):
            return await cluster_domain(target) or DEFAULT_DOMAIN
        return DEFAULT_DOMAIN

    async with asyncio.timeout(_SECONDS), asyncio.TaskGroup() as group:
        services = group.create_task(_answer(target, "/api/v1/services"), name="services")
        suffix = group.create_task(domain(), name="domain")
    return services.result(), suffix.result()


def _authorities(services: Iterable[Object], domain: str) -> Iterator[str]:
    for service in services:
        meta = service["metadata"]
        for port in service.get("spec", {}).get("ports") or ():
            yield f"{service_name(meta['name'], meta['namespace'], domain)}:{port['port']}"


def _beginning(incomplete: str, names: Iterable[str]) -> Items:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def _listed(ctx: click.Context, root: str, plural: str = "") -> list[str]:
    """Names of what is at `root`, or of the objects of a kind in the namespace that is meant."""
    target, path = target_of(ctx), root
    if plural:
        namespace = ctx.params.get("namespace")
        with suppress(*_SILENT):
            namespace = namespace or context_namespace(target.access)
        path = f"{root}/namespaces/{namespace or 'default'}/{plural}"
    return [str(each["metadata"]["name"]) for each in _objects(target, path)]


def _objects(target: Target, path: str) -> list[Object]:
    with suppress(*_SILENT):
        return asyncio.run(_answer(target, path))
    return []


async def _answer(target: Target, path: str) -> list[Any]:
    async with (
        asyncio.timeout(_SECONDS),
        Cluster(target.access, target.namespace, seconds=_SECONDS) as cluster,
    ):
        return list((await cluster.get(path, {"limit": _LIMIT})).get("items") or ())
