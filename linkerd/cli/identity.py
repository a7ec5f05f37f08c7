"""`linkerd identity`: the certificates of pods, and those of the control plane that sign them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import click
from click.shell_completion import CompletionItem
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linkerd.check.cluster import Cluster, Object
from linkerd.check.proxies import ProxyProblem, proxy_of, served_certificate
from linkerd.check.text import certificate_text
from linkerd.cli._commands import Group
from linkerd.cli._forward import ForwardError, forwarded
from linkerd.cli._issuer import issuer
from linkerd.cli._names import complete_pods
from linkerd.cli._namespace import context_namespace
from linkerd.cli._options import namespace_option, output_option
from linkerd.cli._reach import reach
from linkerd.cli._screen import say
from linkerd.cli._target import target_of
from linkerd.delivery.kubectl import Kubectl
from linkerd.kube.access import Access
from linkerd.kube.errors import NotFound
from linkerd.trust import describe

_AT_ONCE: Final = 8

_Answer = tuple[str, x509.Certificate | str]
"""A pod, and its certificate or why there is none."""


_USAGE: Final = "name pods, or give a label selector with -l; one of both"


class _Identity(Group):
    """Words that are no command are pods: `linkerd identity web-1 web-2`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The pods' command takes what is no command, options that it alone has included."""
        if args[0] not in self.commands:
            args = ["pods", *args]
        return super().resolve_command(ctx, args)

    def invoke_alone(self, ctx: click.Context) -> None:
        """It is pods that are missing."""
        raise click.UsageError(_USAGE, ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The names of commands, and of pods."""
        return [*super().shell_complete(ctx, incomplete), *complete_pods(ctx, None, incomplete)]


@click.group(
    "identity",
    cls=_Identity,
    context_settings={"ignore_unknown_options": True},  # they are the pods' command's
    subcommand_metavar="[POD]... | COMMAND [ARGS]...",
    short_help="Show the certificates of pods, or the issuer.",
    epilog="Examples:\n\n\b\n"
    "  linkerd identity web-6f7d9-x2x4z         the certificate of a pod\n"
    "  linkerd identity -n shop -l app=web      those of several\n"
    "  linkerd identity issuer                  what signs them, and until when",
)
def command() -> None:
    """Show certificates of the mesh.

    The names of pods, or a label selector, show the certificates that their proxies hold now.
    """


command.add_command(issuer)


@command.command(short_help="Show the certificates of pods (the default).")
@click.argument("names", metavar="[POD]...", nargs=-1, shell_complete=complete_pods)
@namespace_option("Namespace of the pods. [default: the context's]")
@click.option("-l", "--selector", default="", help="Label selector, instead of names.")
@output_option("text", "pem", "json")
def pods(names: tuple[str, ...], namespace: str | None, selector: str, output: str) -> None:
    """Show the certificates that the proxies of pods hold now.

    Each is asked over TLS, through kubectl's port-forward. Exit code 1 when a pod shows none.
    """
    if bool(names) == bool(selector):
        raise click.UsageError(_USAGE)
    answers = asyncio.run(_answers(target_of().access, namespace, names, selector))
    _print(answers, output)
    if any(isinstance(found, str) for _, found in answers):
        click.get_current_context().exit(1)


async def _answers(
    access: Access, namespace: str | None, names: Sequence[str], selector: str
) -> list[_Answer]:
    """Of every pod, in the order of the names or of the list. Raises KubeError."""
    kubectl = await reach(access)
    namespace = namespace or context_namespace(access)
    async with Cluster(access, namespace) as cluster:
        if names:
            found = [await _pod(cluster, namespace, name) for name in names]
        else:
            found = [pod async for pod in cluster.pods(namespace, selector)]
            if not found:
                raise click.ClickException(f"no pods in namespace {namespace} match {selector!r}")
    turns = asyncio.Semaphore(_AT_ONCE)

    async def answer(pod: Object) -> _Answer:
        async with turns:
            return str(pod["metadata"]["name"]), await _certificate(kubectl, namespace, pod)

    return list(await asyncio.gather(*map(answer, found)))


async def _pod(cluster: Cluster, namespace: str, name: str) -> Object:
    try:
        return await cluster.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
    except NotFound:
        raise click.ClickException(f"there is no pod {name} in namespace {namespace}") from None


async def _certificate(kubectl: Kubectl, namespace: str, pod: Object) -> x509.Certificate | str:
    try:
        proxy = proxy_of(pod)
        target = f"pod/{pod['metadata']['name']}"
        async with forwarded(kubectl, namespace, target, proxy.port) as port:
            return await served_certificate(port, proxy.identity)
    except (ProxyProblem, ForwardError) as problem:
        return str(problem)


def _print(answers: Sequence[_Answer], output: str) -> None:
    if output == "json":
        said = [{"pod": pod} | _described(found) for pod, found in answers]
        click.echo(json.dumps(said, indent=2))
        return
    for number, (pod, found) in enumerate(answers, 1):
        if output == "text":
            say(f"POD {pod} ({number} of {len(answers)})\n")
        if isinstance(found, str):
            click.echo(f"Error: pod {pod}: {found}", err=True)
        elif output == "pem":
            click.echo(found.public_bytes(Encoding.PEM).decode(), nl=False)
        else:
            say(f"{certificate_text(found)}\n")


def _described(found: x509.Certificate | str) -> dict[str, Any]:
    if isinstance(found, str):
        return {"error": found}
    return {
        "names": describe.dns_names(found),
        "issuedBy": describe.name(found.issuer),
        "serialNumber": f"{found.serial_number:x}",
        "notBefore": describe.stamp(found.not_valid_before_utc),
        "notAfter": describe.stamp(found.not_valid_after_utc),
        "sha256": describe.fingerprint(found),
        "certificate": found.public_bytes(Encoding.PEM).decode(),
    }
