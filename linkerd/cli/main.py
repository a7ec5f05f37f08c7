"""The `linkerd` command: a group whose commands are found, and imported, when they are named.

Each module of this package that has a click command named `command` is a command with the module's
name (underscores become hyphens); modules that begin with an underscore are not looked at. Errors
that are meant for people become one sentence on standard error and exit code 1; anything else is a
bug and keeps its traceback. Standard output belongs to what was asked for: logs go to standard
error, and only with --verbose.
"""

import importlib
import os
import pkgutil
import signal
import sys
from typing import Any, Final

import click

import linkerd.cli
from linkerd.cli._commands import Group
from linkerd.delivery.errors import DeliveryError
from linkerd.kube.errors import KubeError
from linkerd.local.errors import LocalError
from linkerd.runtime.logs import configure_logging
from linkerd.runtime.terminal import colours, fitted

_ALIASES: Final = {"dg": "diagnostics"}
_EXAMPLES: Final = """\b
  linkerd local up          start Kubernetes on this machine
  linkerd run               the same with Linkerd and a demo in it
  linkerd local status      see what runs
  linkerd local down        stop it
"""
_ERROR: Final = "Error: "
_USAGE: Final = 2  # click's exit code when a command is misspelt


class Commands(Group):
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
        """Run the command; what people can put right is said in one sentence."""
        ctx.color = colours(sys.stdout)
        try:
            return super().invoke(ctx)
        except (DeliveryError, LocalError, KubeError) as error:
            raise click.ClickException(_folded(" ".join(str(error).split()))) from error
        except click.UsageError as error:
            raise click.UsageError(_folded(error.format_message()), error.ctx) from error
        except click.ClickException as error:
            raise type(error)(_folded(error.message)) from error

    def main(self, *arguments: Any, **attributes: Any) -> Any:
        """Run the program; every failure ends in exit code 1."""
        try:
            return super().main(*arguments, **attributes)
        except SystemExit as end:
            raise SystemExit(1 if end.code == _USAGE else end.code) from None


def _folded(message: str) -> str:
    """A message as it fits the terminal behind the word that click puts before it."""
    return fitted(f"{_ERROR}{message}", sys.stderr).removeprefix(_ERROR)


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

    Every command explains itself: `linkerd COMMAND --help`, or `linkerd help COMMAND`.
    """


def main() -> None:
    """The console script."""
    _quieten()
    cli(prog_name="linkerd")


def _quieten() -> None:
    """Nothing but what commands say themselves is to be seen, unless --verbose asks for it."""
    configure_logging("fatal", "plain")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Started by a program that ignores the ends of its children, we would not see those of ours.
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


if __name__ == "__main__":
    main()
