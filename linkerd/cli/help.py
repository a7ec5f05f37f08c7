"""`linkerd help`: what `--help` of a command prints."""

import click

from linkerd.cli._commands import LocalCommand


@click.command("help", cls=LocalCommand, short_help="Explain a command.")
@click.argument("names", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Explain COMMAND, such as `diagnostics endpoints`; without one, what commands there are."""
    shown = ctx.find_root()
    for name in names:
        group = shown.command
        found = group.get_command(shown, name) if isinstance(group, click.Group) else None
        if found is None:
            raise click.UsageError(f"{shown.command_path} has no command {name!r}")
        shown = click.Context(found, info_name=name, parent=shown)
    click.echo(shown.get_help())
