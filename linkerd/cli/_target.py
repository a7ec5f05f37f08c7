"""What the options say that every command has: which cluster, as whom, and where in it the control
plane is.

They may stand before and behind the name of a command; the last one counts, and one that is typed
counts more than one of the environment.
"""

from dataclasses import dataclass
from typing import Any, Final

import click
from click.core import ParameterSource

from linkerd.kube.access import Access
from linkerd.mesh.control_plane import NAMESPACE
from linkerd.runtime.logs import configure_logging

_SAID: Final = "linkerd.cli.target"


@dataclass(frozen=True, slots=True)
class Target:
    """A cluster, and the namespace of the control plane in it."""

    access: Access
    namespace: str


def remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """What click calls with the value of an option that every command has."""
    source = ctx.get_parameter_source(param.name or "")
    said: dict[str | None, Any] = ctx.meta.setdefault(_SAID, {})
    if source is ParameterSource.COMMANDLINE:
        said[param.name] = value
    elif source is ParameterSource.ENVIRONMENT:
        said.setdefault(param.name, value)
    if param.name == "verbose" and value:
        configure_logging("debug", "plain")


def target_of(ctx: click.Context | None = None) -> Target:
    """What has been said to this command and to those before it. Raises UsageError."""
    said = (ctx or click.get_current_context()).meta.get(_SAID, {})
    user, groups = said.get("user"), tuple(said.get("groups", ()))
    if groups and not user:
        raise click.UsageError("--as-group goes with --as: Kubernetes takes no group by itself")
    access = Access(said.get("kubeconfig"), said.get("context"), user, groups)
    return Target(access, said.get("linkerd_namespace", NAMESPACE))
