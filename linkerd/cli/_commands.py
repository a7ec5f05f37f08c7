"""What the commands of this program have in common: the options that each of them takes, a group
that explains itself when nothing of it is named, and second names."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from linkerd.cli._options import GLOBAL, VERBOSE, GlobalOption


class _TakesGlobalOptions(click.Command):
    """Takes global options besides its own. Help lists them last."""

    global_options: Sequence[GlobalOption] = GLOBAL

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Its own, then the global ones."""
        return [*super().get_params(ctx), *self.global_options]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A section for its own, and one for the global ones."""
        super().format_options(ctx, formatter)
        with formatter.section("Global options"):
            formatter.write_dl([option.described(ctx) for option in self.global_options])


class Command(_TakesGlobalOptions):
    """A command that asks a cluster."""


class LocalCommand(_TakesGlobalOptions):
    """A command that asks no cluster but this machine's."""

    global_options = (VERBOSE,)


class Group(_TakesGlobalOptions, click.Group):
    """Commands below a name. `aliases` are second names of some, which help does not list."""

    command_class: type[click.Command] | None = Command

    def __init__(
        self, *arguments: Any, aliases: Mapping[str, str] | None = None, **attributes: Any
    ) -> None:
        super().__init__(*arguments, **{"invoke_without_command": True, **attributes})
        self._aliases = aliases or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name or alias; None when there is none."""
        return super().get_command(ctx, self._aliases.get(cmd_name, cmd_name))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is named."""
        value = super().invoke(ctx)
        if ctx.invoked_subcommand is None:
            self.invoke_alone(ctx)
        return value

    def invoke_alone(self, ctx: click.Context) -> None:
        """What happens when no command is named: help."""
        click.echo(ctx.get_help())


class LocalGroup(Group):
    """Commands that ask no cluster but this machine's."""

    command_class = LocalCommand
    global_options = (VERBOSE,)
