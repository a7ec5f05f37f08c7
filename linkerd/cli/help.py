"""`linkerd help`: what `--help` of a command prints."""

from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from linkerd.cli._commands import LocalCommand


def _complete(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Commands below those that are named already."""
    del param
    try:
        above = _named(ctx, ctx.params["names"] or ())
    except click.UsageError:
        return []
    return above.command.shell_complete(above, incomplete)


@click.command("help", cls=LocalCommand, short_help="Explain a command.")
@click.argument("names", metavar="[COMMAND]...", nargs=-1, shell_complete=_complete)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Explain COMMAND, such as `diagnostics endpoints`; without one, what commands there are."""
    click.echo(_named(ctx, names).get_help())


def _named(ctx: click.Context, names: Sequence[str]) -> click.Context:
    """The context of the command that the names lead to. Raises UsageError."""
    found = ctx.find_root()
    for name in names:
        group = found.command
        below = group.get_command(found, name) if isinstance(group, click.Group) else None
        if below is None:
            raise click.UsageError(f"{found.command_path} has no command {name!r}")
        found = click.Context(below, info_name=name, parent=found)
    return found
