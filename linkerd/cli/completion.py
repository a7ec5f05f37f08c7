"""`linkerd completion`: the script that teaches a shell to complete our commands."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from linkerd.cli._commands import LocalCommand

SHELLS: Final = ("bash", "zsh", "fish")


@click.command(
    "completion",
    cls=LocalCommand,
    short_help="Print the completion script of a shell.",
    epilog="Examples:\n\n\b\n"
    "  bash:  source <(linkerd completion bash)\n"
    "  zsh:   source <(linkerd completion zsh)\n"
    "  fish:  linkerd completion fish | source",
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print a script that makes SHELL complete commands, options and file names of linkerd.

    Put the line for your shell into its start-up file to have it always.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.ClickException(f"there is no completion for {shell}")
    root = context.find_root().command
    click.echo(kind(root, {}, "linkerd", "_LINKERD_COMPLETE").source())
