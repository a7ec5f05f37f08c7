"""`linkerd run`: a cluster with the control plane and a demo in it, from nothing to ready.

The whole of `make run`. Everything it calls compares before it acts, so a second run only looks.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from linkerd.cli._commands import Command
from linkerd.cli._reach import reach
from linkerd.cli._screen import shown
from linkerd.cli._target import target_of
from linkerd.cli.local import state_option
from linkerd.delivery.errors import DeliveryError
from linkerd.delivery.install import Images, Outcome, install
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.node import put_on_node
from linkerd.delivery.tree import require_tree
from linkerd.kube.access import Access
from linkerd.local.cluster import LocalCluster
from linkerd.local.errors import MissingProgramError, PrivilegeError
from linkerd.local.progress import Progress, choose_progress
from linkerd.local.state import default_state_folder
from linkerd.mesh.control_plane import DESTINATION_PORT, NAMESPACE

_GET = "io.linkerd.proxy.destination.Destination/Get"
_TARGET = "books.demo.svc.cluster.local:8080"


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asked for. Without `kubeconfig`, the cluster of this machine."""

    state: Path
    kubeconfig: Path | None
    image: str | None
    demo: bool
    heartbeat: bool


@click.command(
    "run", cls=Command, short_help="Start a cluster with the control plane and a demo in it."
)
@click.option(
    "--image",
    envvar="IMAGE",
    help="Image that the cluster can pull, for use with --kubeconfig. [env: IMAGE]",
)
@state_option
@click.option("--demo/--no-demo", default=True, show_default=True, help="Whether to add the demo.")
@click.option(
    "--enable-heartbeat/--disable-heartbeat",
    "heartbeat",
    default=False,
    show_default=True,
    help="Whether a job tells the Linkerd project's version check once a day that this mesh is in "
    "use; services/heartbeat/README.md has what it sends.",
)
def command(image: str | None, state: Path, demo: bool, heartbeat: bool) -> None:
    """Start a cluster with the control plane and a demo in it.

    Without a kubeconfig this starts Kubernetes on this machine (as `linkerd local up`), builds the
    container image, and puts both there; that needs root on Linux. The first time takes minutes,
    later ones seconds: what is right already is left alone.

    With a kubeconfig (--kubeconfig or KUBECONFIG) it installs into that cluster, which pulls the
    image you name:

    \b
        KUBECONFIG=~/.kube/config IMAGE=registry.example/linkerd-py:1 linkerd run
    """
    access = target_of().access
    kubeconfig = _foreign(access.kubeconfig or os.environ.get("KUBECONFIG"), state)
    request = Request(state, kubeconfig, image, demo, heartbeat)
    progress = choose_progress()
    if kubeconfig is None:
        kubectl, outcome = _run_here(request, progress)
    else:
        there = replace(access, kubeconfig=kubeconfig)
        kubectl, outcome = _run_there(request, there, progress)
    sys.stdout.write("\n".join(_closing_words(request, kubectl, outcome)) + "\n")


def _foreign(kubeconfig: str | Path | None, state: Path) -> Path | None:
    """The kubeconfig of another cluster; None when there is none or it is this machine's own,
    which people export to use kubectl."""
    if not kubeconfig:
        return None
    path = Path(kubeconfig).expanduser().absolute()
    return None if path == LocalCluster(state).kubeconfig else path


def _run_here(request: Request, progress: Progress) -> tuple[Kubectl, Outcome]:
    tree = require_tree()
    cluster = LocalCluster(request.state)
    try:
        cluster.up(progress)
        images = put_on_node(tree, cluster, progress)
    except (MissingProgramError, PrivilegeError) as error:
        raise DeliveryError(
            f"{error}. `make dev` needs no root: it starts an API server alone, and the services "
            f"beside it"
        ) from None
    kubectl = Kubectl(cluster.kubeconfig)
    return kubectl, _install(request, tree, kubectl, images, progress)


def _run_there(request: Request, access: Access, progress: Progress) -> tuple[Kubectl, Outcome]:
    if request.image is None:
        raise DeliveryError(
            f"{access.kubeconfig} names a cluster that needs an image it can pull: set IMAGE "
            "(how to build one is in docs/deploying.md), or unset KUBECONFIG for a cluster on this "
            "machine"
        )
    kubectl = asyncio.run(reach(access))
    images = Images(request.image, None, on_node=False)
    return kubectl, _install(request, require_tree(), kubectl, images, progress)


def _install(
    request: Request, tree: Path, kubectl: Kubectl, images: Images, progress: Progress
) -> Outcome:
    return install(tree, kubectl, images, progress, demo=request.demo, heartbeat=request.heartbeat)


def _closing_words(request: Request, kubectl: Kubectl, outcome: Outcome) -> Iterator[str]:
    """The last screen: what runs, what changed, and what to try."""
    yield ""
    yield kubectl("get", "pods", "--all-namespaces", "--output=wide").rstrip()
    yield ""
    changed = len(outcome.changed)
    yield f"{changed} objects were made or changed." if changed else "Nothing had to be changed."
    yield "Try:"
    yield ""
    yield from (f"  {line}" for line in _to_try(request, kubectl))
    yield ""
    if request.kubeconfig is None:
        yield "`make down` ends the cluster and keeps what is in it; `make run` brings it back."


def _to_try(request: Request, kubectl: Kubectl) -> Iterator[str]:
    linkerd = shown("linkerd")
    yield f"export KUBECONFIG={request.kubeconfig or LocalCluster(request.state).kubeconfig}"
    if request.kubeconfig is not None:
        yield f"kubectl -n {NAMESPACE} port-forward service/linkerd-dst {DESTINATION_PORT} &"
        address, kubectl_shown = f"localhost:{DESTINATION_PORT}", "kubectl"
    else:
        service = kubectl.find("service", "linkerd-dst", NAMESPACE) or {}
        address = f"{service.get('spec', {}).get('clusterIP')}:{DESTINATION_PORT}"
        default = request.state == default_state_folder()
        kubectl_shown = f"{linkerd} local kubectl" if default else " ".join(kubectl.command)
    yield f'{shown("grpcurl")} -plaintext -d \'{{"path": "{_TARGET}"}}\' {address} {_GET}'
    yield f"{kubectl_shown} scale deployment/books --namespace=demo --replicas=4"
    yield f"{linkerd} diagnostics endpoints {_TARGET}"
