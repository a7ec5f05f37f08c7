"""`linkerd version`: the version of this program, and of the control plane in a cluster."""

import asyncio
import json
from pathlib import Path

import click

from linkerd.version import VERSION


@click.command("version", short_help="Print the versions of this program and of the control plane.")
@click.option("--client", is_flag=True, help="Print this program's version only; ask no cluster.")
@click.option("--short", is_flag=True, help="Print bare versions, one a line; as -o short.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "short", "json"]),
    default="text",
    show_default=True,
    help="How to print.",
)
@click.option(
    "-L",
    "--linkerd-namespace",
    envvar="LINKERD_NAMESPACE",
    default="linkerd",
    show_default=True,
    help="Namespace of the control plane.",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="Which cluster to ask; as kubectl when not given.",
)
def command(
    client: bool, short: bool, output: str, linkerd_namespace: str, kubeconfig: Path | None
) -> None:
    """Print the version of this program and, unless --client, of the control plane in the cluster.

    A cluster that does not answer within 5 seconds, or has no control plane, is no error: the
    server's version is then "unavailable".
    """
    versions = {"client": VERSION}
    if not client:
        from linkerd.cli._control_plane import server_version  # half a second that --client saves

        versions["server"] = asyncio.run(server_version(kubeconfig, linkerd_namespace))
    click.echo(render(versions, "short" if short else output))


def render(versions: dict[str, str], output: str) -> str:
    """The text to print; `output` is text, short or json."""
    if output == "json":
        return json.dumps(versions)
    if output == "short":
        return "\n".join(versions.values())
    return "\n".join(f"{side.capitalize()} version: {text}" for side, text in versions.items())
