"""Options that several commands have, spelt and explained once.

Those of GLOBAL belong to every command and may stand before and behind its name; what they say is
in `linkerd.cli._target`.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from linkerd.cli._target import remember
from linkerd.mesh.names import is_dns_label
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError
from linkerd.runtime.values import HostPort, parse_host_port

F = TypeVar("F", bound=Callable[..., Any])


class _Duration(click.ParamType[timedelta]):
    """A duration as Go writes it, such as 300s or 5m."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return parse_go_duration(value)
        except DurationError as error:
            self.fail(str(error), param, ctx)


class _Namespace(click.ParamType[str]):
    """The name of a namespace, completed from the cluster."""

    name = "namespace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_dns_label(value):
            self.fail(
                f"{value!r} is not a valid namespace: lower-case letters, digits and dashes, "
                "63 at most",
                param,
                ctx,
            )
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del param
        from linkerd.cli._names import namespaces  # slow to import, and for completion only

        return namespaces(ctx, incomplete)


class _Address(click.ParamType[HostPort]):
    """HOST:PORT."""

    name = "host:port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> HostPort:
        if isinstance(value, HostPort):
            return value
        try:
            address = parse_host_port(value)
        except ValueError as error:
            self.fail(f"{value!r} is no address: {error}", param, ctx)
        if not (address.host and address.port):
            self.fail(f"{value!r} is no address to connect to: write HOST:PORT", param, ctx)
        return address


DURATION: Final = _Duration()
NAMESPACE: Final = _Namespace()
ADDRESS: Final = _Address()


def namespace_option(help_text: str) -> Callable[[F], F]:
    """`-n`, for commands that look at a namespace other than the control plane's."""
    return click.option("-n", "--namespace", type=NAMESPACE, help=help_text)


def output_option(*forms: str, help_text: str = "How to print.") -> Callable[[F], F]:
    """`-o`; the first form is the default."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help=help_text,
    )


def _contexts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    from linkerd.cli._names import contexts  # slow to import, and for completion only

    return contexts(ctx, incomplete)


class GlobalOption(click.Option):
    """An option of every command. Help lists it apart from the command's own."""

    def __init__(self, *names: str, **attributes: Any) -> None:
        super().__init__(names, expose_value=False, callback=remember, **attributes)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """None: it is not among the command's own."""
        del ctx
        return None

    def described(self, ctx: click.Context) -> tuple[str, str]:
        """How it is written, and what for."""
        record = super().get_help_record(ctx)
        assert record is not None  # noqa: S101  # none of them is hidden
        return record


VERBOSE: Final = GlobalOption(
    "--verbose", is_flag=True, help="Log to standard error what is done and asked."
)
GLOBAL: Final = (
    GlobalOption(
        "-L",
        "--linkerd-namespace",
        type=NAMESPACE,
        envvar="LINKERD_NAMESPACE",
        show_envvar=True,
        help="Namespace of the control plane. [default: linkerd]",
    ),
    GlobalOption(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        help="Which cluster to ask; as kubectl when not given.",
    ),
    GlobalOption(
        "--context", shell_complete=_contexts, help="Context of the kubeconfig, else its current."
    ),
    GlobalOption("--as", "user", metavar="USER", help="Whom the API server is to take us for."),
    GlobalOption(
        "--as-group", "groups", metavar="GROUP", multiple=True, help="And in which groups; goes "
        "with --as, may be repeated.",
    ),
    VERBOSE,
)  # fmt: skip
