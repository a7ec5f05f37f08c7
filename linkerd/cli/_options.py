"""Options that several commands have, spelt and explained once."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.errors import DurationError


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


DURATION: Final = _Duration()

linkerd_namespace_option: Final = click.option(
    "-L",
    "--linkerd-namespace",
    envvar="LINKERD_NAMESPACE",
    default="linkerd",
    show_default=True,
    help="Namespace of the control plane.",
)
kubeconfig_option: Final = click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="Which cluster to ask; as kubectl when not given.",
)
