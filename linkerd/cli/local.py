"""`linkerd local`: a Kubernetes cluster on this machine."""

import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

import click

from linkerd.cli._commands import LocalGroup
from linkerd.cli._screen import table
from linkerd.local.archives import archive_of
from linkerd.local.cluster import ComponentStatus, LocalCluster
from linkerd.local.files import write_private
from linkerd.local.packages import NODE_NEEDS, ensure
from linkerd.local.programs import CONTROL_PLANE, NODE, locate
from linkerd.local.progress import choose_progress
from linkerd.local.requirements import node_obstacle
from linkerd.local.runner import Condition
from linkerd.local.state import STATE_VARIABLE, default_state_folder

_FOLLOW_SECONDS: Final = 0.2
_COLOURS: Final = {
    Condition.READY: "green",
    Condition.STARTING: "yellow",
    Condition.CRASHED: "red",
    Condition.STOPPED: "bright_black",
}

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar=STATE_VARIABLE,
    default=default_state_folder,
    show_default="$XDG_STATE_HOME/linkerd-py/local",
    help="Directory of the cluster; one cluster each.",
)


@click.group(
    "local",
    cls=LocalGroup,
    short_help="Run a Kubernetes cluster on this machine.",
    epilog="Examples:\n\n\b\n"
    "  linkerd local up                      a cluster with a node (root on Linux)\n"
    "  linkerd local up --api-only           only etcd and the API server\n"
    "  linkerd local kubectl get pods -A     no kubectl needed\n"
    "  export KUBECONFIG=$(linkerd local kubeconfig --path)\n"
    "  linkerd local down --delete           as if it had never been",
)
def command() -> None:
    """Real Kubernetes on this machine, without Docker and without an image registry.

    Its programs are built from source once a machine (5 to 6 minutes), or taken from the folder
    that KUBEBUILDER_ASSETS names. Everything of a cluster is below one directory, --state.
    """


@command.command(short_help="Start the cluster.")
@state_option
@click.option("--api-only", is_flag=True, help="Only etcd and the API server; needs no root.")
@click.option("--port", type=int, help="Where the API listens, with --api-only; else a free port.")
@click.option(
    "--kubeconfig-out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the kubeconfig to this file too.",
)
def up(state: Path, api_only: bool, port: int | None, kubeconfig_out: Path | None) -> None:
    """Start the cluster, or what of it does not run, and wait until it is ready."""
    if port is not None and not api_only:
        raise click.UsageError(
            "--port goes with --api-only; a node's API has an address of its own"
        )
    cluster = LocalCluster(state, api_only=api_only, port=port)
    cluster.up(choose_progress())
    if kubeconfig_out:
        write_private(kubeconfig_out, cluster.kubeconfig.read_bytes())
    click.echo(f"The cluster is ready: export KUBECONFIG={kubeconfig_out or cluster.kubeconfig}")


@command.command(short_help="Build or install what a cluster needs, once a machine.")
@click.option("--api-only", is_flag=True, help="Only what `up --api-only` needs.")
def prepare(api_only: bool) -> None:
    """Build or install what a cluster needs, once a machine, so that `up` takes seconds.

    Where no node can run (no root, not Linux) it says so, and prepares the rest.
    """
    progress = choose_progress()
    reason = None if api_only else node_obstacle()
    if reason:
        progress.note(f"Not preparing a node: {reason}")
    if not (api_only or reason):
        ensure(NODE_NEEDS, progress)
    locate(CONTROL_PLANE if api_only or reason else NODE, progress)


@command.command(short_help="Stop the cluster.")
@state_option
@click.option("--delete", is_flag=True, help="Delete its data, certificates and images too.")
def down(state: Path, delete: bool) -> None:
    """Stop the cluster: processes, containers, mounts, interfaces and rules.

    Its data stays, and the next `up` goes on with it, unless --delete.
    """
    LocalCluster(state).down(delete=delete)
    click.echo("The cluster is deleted." if delete else "The cluster is stopped.")


@command.command()
@state_option
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def status(state: Path, output: str) -> None:
    """Show how each component is. The exit code is 0 when all are ready, else 1."""
    components = LocalCluster(state).status()
    if output == "json":
        click.echo(json.dumps([_as_json(component) for component in components]))
    elif components:
        click.echo(_table(components))
    else:
        click.echo(f"There is no cluster in {state}; start one with `linkerd local up`.")
    if not components or any(c.condition is not Condition.READY for c in components):
        sys.exit(1)


def _as_json(component: ComponentStatus) -> dict[str, object]:
    return {
        "name": component.name,
        "condition": component.condition.value,
        "pid": component.pid,
        "log": str(component.log),
    }


def _table(components: list[ComponentStatus]) -> str:
    rows = [("COMPONENT", "CONDITION", "PID", "LOG"), *map(_row, components)]
    head, *lines = table(rows, sys.stdout).splitlines()
    coloured = (
        line.replace(c.condition.value, click.style(c.condition.value, fg=_COLOURS[c.condition]), 1)
        for line, c in zip(lines, components, strict=True)
    )
    return "\n".join([head, *coloured])


def _row(component: ComponentStatus) -> tuple[str, ...]:
    pid = "-" if component.pid is None else str(component.pid)
    return component.name, component.condition.value, pid, str(component.log)


@command.command()
@click.argument("component")
@state_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", type=click.IntRange(min=0), help="Only the last so many lines.")
def logs(component: str, state: Path, follow: bool, lines: int | None) -> None:
    """Print what COMPONENT (such as kube-apiserver) has written."""
    with LocalCluster(state).log(component).open(errors="replace") as stream:
        for line in deque(stream, lines) if lines is not None else stream:
            click.echo(line, nl=False)
        while follow:
            if line := stream.readline():
                click.echo(line, nl=False)
            else:
                time.sleep(_FOLLOW_SECONDS)


@command.command()
@state_option
@click.option("--path", is_flag=True, help="Print where it is instead of what is in it.")
def kubeconfig(state: Path, path: bool) -> None:
    """Print the administrator's kubeconfig."""
    file = LocalCluster(state).existing_kubeconfig()
    click.echo(file if path else file.read_text(), nl=path)


@command.command("load-image", short_help="Put an image on the node.")
@click.argument("image")
@state_option
def load_image(image: str, state: Path) -> None:
    """Put IMAGE on the node: an archive (OCI or Docker), or a name that buildah, podman or docker
    has.

    Pods find it under its name when their imagePullPolicy is not Always.
    """
    with archive_of(image) as archive, choose_progress().step(f"Loading {image}"):
        names = LocalCluster(state).load_image(archive)
    click.echo("\n".join(names))


@command.command(
    cls=click.Command,  # all options are kubectl's
    short_help="Run kubectl against the cluster.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@state_option
def kubectl(arguments: tuple[str, ...], state: Path) -> None:
    """Run kubectl against the cluster: `linkerd local kubectl get pods -A`.

    For another state directory set LINKERD_LOCAL_STATE, or give --state first.
    """
    argv = LocalCluster(state).kubectl_command(arguments)
    sys.stdout.flush()
    os.execv(argv[0], argv)  # noqa: S606 - kubectl takes our place, terminal and signals included
