"""Commands that have a shorter name too."""

from collections.abc import Mapping
from typing import Any

import click


class AliasedGroup(click.Group):
    """A group that knows some of its commands by a second name, which help does not list."""

    def __init__(self, *arguments: Any, aliases: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._aliases = aliases

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name or alias; None when there is none."""
        return super().get_command(ctx, self._aliases.get(cmd_name, cmd_name))
