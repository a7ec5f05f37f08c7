"""The `linkerd` command: a group whose commands are found, and imported, when they are named.

Each module of this package that has a click command named `command` is a command with the module's
name (underscores become hyphens); modules that begin with an underscore are not looked at. Errors
that are meant for people become one line on standard error and exit code 1; anything else is a bug
and keeps its traceback.
"""

import importlib
import pkgutil
from typing import Any, Final

import click

import linkerd.cli
from linkerd.delivery.errors import DeliveryError
from linkerd.local.errors import LocalError

_ALIASES: Final = {"dg": "diagnostics"}
_EXAMPLES: Final = """\b
  linkerd local up          start Kubernetes on this machine
  linkerd run               the same with Linkerd and a demo in it
  linkerd local status      see what runs
  linkerd local down        stop it
"""


class Commands(click.Group):
    """Loads a command's module only when that command is asked for (or listed)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command that there is a module for, sorted."""
        return sorted(name for name in _modules() if self.get_command(ctx, name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None when there is none."""
        if (module := _modules().get(_ALIASES.get(cmd_name, cmd_name))) is None:
            return None
        command = getattr(importlib.import_module(f"linkerd.cli.{module}"), "command", None)
        return command if isinstance(command, click.Command) else None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what people can put right is said in one line."""
        try:
            return super().invoke(ctx)
        except (DeliveryError, LocalError) as error:
            raise click.ClickException(str(error)) from error


def _modules() -> dict[str, str]:
    """Name of a possible command -> module that may have it."""
    found = (module.name for module in pkgutil.iter_modules(linkerd.cli.__path__))
    names = (name for name in found if not name.startswith("_") and name != "main")
    return {name.replace("_", "-"): name for name in names}


@click.group(
    cls=Commands,
    epilog=f"First steps:\n\n{_EXAMPLES}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def cli() -> None:
    """Linkerd's control plane in Python, and a Kubernetes cluster to try it in.

    Every command explains itself: `linkerd COMMAND --help`.
    """


def main() -> None:
    """The console script."""
    cli(prog_name="linkerd")


if __name__ == "__main__":
    main()
