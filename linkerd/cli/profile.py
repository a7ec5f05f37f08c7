"""`linkerd profile`: ServiceProfiles out of API definitions, or to start from."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

import click
import yaml

from linkerd.cli._commands import Command
from linkerd.cli._control_plane import cluster_domain
from linkerd.cli._names import complete_services
from linkerd.cli._namespace import context_namespace
from linkerd.cli._options import namespace_option, output_option
from linkerd.cli._target import Target, target_of
from linkerd.delivery.errors import KubectlError
from linkerd.kube.errors import KubeError
from linkerd.mesh.names import DEFAULT_DOMAIN, is_dns_label, is_dns_subdomain, service_name
from linkerd.profiles.definitions import MAX_BYTES, Note
from linkerd.profiles.errors import ProfilesError
from linkerd.profiles.openapi import openapi_routes
from linkerd.profiles.protobuf import protobuf_routes
from linkerd.profiles.routes import Route, profile_of
from linkerd.profiles.template import template as template_for

_MAX_NOTES: Final = 20


@click.command(
    "profile",
    cls=Command,
    short_help="Write a ServiceProfile out of an API definition.",
    epilog="Examples:\n\n\b\n"
    "  linkerd profile --open-api web.swagger.yaml web | kubectl apply -f -\n"
    "  linkerd profile -n shop --proto web.proto web > web-profile.yaml\n"
    "  linkerd profile --template --ignore-cluster web",
)
@click.argument("service", shell_complete=complete_services)
@click.option("--template", is_flag=True, help="A sample with a comment at every field.")
@click.option(
    "--open-api", type=click.File("rb"), help="An OpenAPI file, of version 2 or 3; -: stdin."
)
@click.option("--proto", type=click.File("rb"), help="A protobuf file; -: stdin.")
@namespace_option("Namespace of the service. [default: the context's]")
@click.option(
    "--ignore-cluster", is_flag=True, help=f"Ask no cluster; names then end in {DEFAULT_DOMAIN}."
)
@output_option("yaml", "json")
def command(
    service: str,
    template: bool,
    open_api: BinaryIO | None,
    proto: BinaryIO | None,
    namespace: str | None,
    ignore_cluster: bool,
    output: str,
) -> None:
    """Write the ServiceProfile of SERVICE to standard output.

    From OpenAPI: a route for each path and method, with a class for each status that is listed;
    x-linkerd-retryable and x-linkerd-timeout of an operation are taken over. From protobuf: a route
    for each rpc, retryable when its idempotency_level says so.

    The domain that the service's name ends with is the control plane's, unless --ignore-cluster.
    """
    if sum((template, open_api is not None, proto is not None)) != 1:
        raise click.UsageError("You must specify exactly one of --template, --open-api or --proto")
    if not is_dns_label(service):
        raise click.ClickException(
            f"{service!r} is not the name of a service: lower-case letters, digits and dashes"
        )
    target = target_of()
    namespace = namespace or _namespace(target, ignore_cluster=ignore_cluster)
    routes = _routes(open_api, proto)
    domain = DEFAULT_DOMAIN if ignore_cluster else _domain(target)
    name = service_name(service, namespace, domain)
    if not is_dns_subdomain(name):
        raise click.ClickException(
            f"{name} is no DNS name; --ignore-cluster takes {DEFAULT_DOMAIN}"
        )
    if routes is None:
        click.echo(_template(service, namespace, domain, output), nl=False)
    else:
        click.echo(_profile(service, namespace, domain, routes, output), nl=False)


def _namespace(target: Target, *, ignore_cluster: bool) -> str:
    try:
        return context_namespace(target.access)
    except KubectlError:
        if ignore_cluster:
            return "default"
        raise


def _domain(target: Target) -> str:
    try:
        found = asyncio.run(cluster_domain(target))
    except KubeError as error:
        raise click.ClickException(
            f"the cluster does not say what its domain is: {error}; "
            f"--ignore-cluster takes {DEFAULT_DOMAIN}"
        ) from error
    return found or DEFAULT_DOMAIN


def _routes(open_api: BinaryIO | None, proto: BinaryIO | None) -> Sequence[Route] | None:
    """None for the sample."""
    if open_api is not None:
        return _read(open_api, openapi_routes, "operations")
    return None if proto is None else _read(proto, protobuf_routes, "rpcs")


def _read(file: BinaryIO, parse: Callable[[bytes, Note], list[Route]], things: str) -> list[Route]:
    notes: list[str] = []
    try:
        routes = parse(file.read(MAX_BYTES + 1), notes.append)
    except (ProfilesError, OSError) as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    for text in notes[:_MAX_NOTES]:
        click.echo(f"{file.name}: {text}", err=True)
    if len(notes) > _MAX_NOTES:
        click.echo(f"{file.name}: and {len(notes) - _MAX_NOTES} more of such notes", err=True)
    if not routes:
        click.echo(f"{file.name} has no {things}; the profile has no routes", err=True)
    return routes


def _template(service: str, namespace: str, domain: str, output: str) -> str:
    text = template_for(service, namespace, domain)
    return text if output == "yaml" else _written(yaml.safe_load(text), output)


def _profile(
    service: str, namespace: str, domain: str, routes: Sequence[Route], output: str
) -> str:
    try:
        profile = profile_of(service, namespace, domain, routes)
    except ProfilesError as error:
        raise click.ClickException(str(error)) from error
    return _written(profile, output)


def _written(profile: Any, output: str) -> str:
    if output == "json":
        return f"{json.dumps(profile, indent=2)}\n"
    return yaml.safe_dump(profile, sort_keys=False, allow_unicode=True)
