"""`linkerd version`: the version of this program, and of the control plane in a cluster."""

import asyncio
import json

import click

from linkerd.cli._commands import Command
from linkerd.cli._options import output_option
from linkerd.cli._target import target_of
from linkerd.version import VERSION


@click.command(
    "version",
    cls=Command,
    short_help="Print the versions of this program and of the control plane.",
)
@click.option("--client", is_flag=True, help="Print this program's version only; ask no cluster.")
@click.option("--short", is_flag=True, help="Print bare versions, one a line; as -o short.")
@output_option("text", "short", "json")
def command(client: bool, short: bool, output: str) -> None:
    """Print the version of this program and, unless --client, of the control plane in the cluster.

    A cluster that does not answer within 5 seconds, or has no control plane, is no error: the
    server's version is then "unavailable".
    """
    versions = {"client": VERSION}
    if not client:
        from linkerd.cli._control_plane import server_version  # half a second that --client saves

        versions["server"] = asyncio.run(server_version(target_of()))
    click.echo(render(versions, "short" if short else output))


def render(versions: dict[str, str], output: str) -> str:
    """The text to print; `output` is text, short or json."""
    if output == "json":
        return json.dumps(versions)
    if output == "short":
        return "\n".join(versions.values())
    return "\n".join(f"{side.capitalize()} version: {text}" for side, text in versions.items())
