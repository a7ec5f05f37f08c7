"""`linkerd dev`: an API server, and every service beside it as a plain process, in one terminal.

The loop of a developer: change code, ctrl-C, start again; three seconds, no image, no root.
"""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from linkerd.cli._commands import LocalCommand
from linkerd.cli._screen import shown
from linkerd.delivery.console import run_together
from linkerd.delivery.install import DOMAIN
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.plain import PlainService, TrustFiles, plain_services
from linkerd.delivery.plain_webhooks import ServingFiles, plain_webhooks
from linkerd.delivery.tree import require_tree
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import Progress, choose_progress
from linkerd.local.state import STATE_VARIABLE, default_state_folder
from linkerd.mesh.control_plane import POLICY_VALIDATOR, SP_VALIDATOR
from linkerd.runtime.terminal import colours

EXAMPLE: Final = "demo/without-pods/endpoints.yaml"
_CALLED: Final = [
    f"{name}.{DOMAIN.controller_namespace}.svc" for name in (SP_VALIDATOR, POLICY_VALIDATOR)
]


@click.command("dev", cls=LocalCommand, short_help="Run an API server, and the services beside it.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Folder of the API server. [default: beside that of `linkerd local`]",
)
def command(state: Path | None) -> None:
    """Run an API server, and the services beside it in this terminal.

    Needs no root and no containers: a real API server with nothing that runs pods, and the services
    of the control plane as processes that look at it, or that it asks. Make objects with kubectl
    and watch the answers change; ctrl-C ends everything and keeps the objects for the next time.
    """
    tree, progress = require_tree(), choose_progress()
    cluster = LocalCluster(state or default_state_folder().with_name("dev"), api_only=True)
    cluster.up(progress)
    try:
        kubectl = Kubectl(cluster.kubeconfig)
        _prepare(tree, kubectl, progress)
        trust = TrustFiles.ensure(cluster.state / "trust")
        serving = ServingFiles.make(cluster.state / "tls", _CALLED)
        services = plain_services(tree, cluster.kubeconfig, trust, serving)
        _apply_webhooks(tree, kubectl, services, serving)
        _say(cluster, services)
        programs = {service.name: service.argv for service in services}
        code = asyncio.run(run_together(programs, sys.stdout, colour=colours(sys.stdout)))
    finally:
        with progress.step("Stopping the API server"):
            cluster.down()
    sys.exit(code)


def _prepare(tree: Path, kubectl: Kubectl, progress: Progress) -> None:
    """The custom resources, which the services watch, and once something for them to see."""
    with progress.step("Applying custom resources and an example"):
        kubectl.apply(
            (tree / "deploy" / "base" / "namespace.yaml").read_text(), doing="making the namespace"
        )
        crds = kubectl.render(tree / "deploy" / "base" / "crds")
        kubectl.apply(crds, doing="applying the custom resources")
        kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        if kubectl.find("service", "books", "demo") is None:
            example = (tree / EXAMPLE).read_text()
            kubectl.apply(example, doing="applying an example")


def _apply_webhooks(
    tree: Path, kubectl: Kubectl, services: list[PlainService], serving: ServingFiles
) -> None:
    """Has the API server ask the one service that speaks HTTPS, as soon as it answers."""
    (address,) = (service.address for service in services if service.protocol == "HTTPS")
    webhooks = plain_webhooks(tree, int(address.rpartition(":")[2]), serving)
    kubectl.apply(webhooks, doing="applying the webhooks")


def _say(cluster: LocalCluster, services: list[PlainService]) -> None:
    get = "io.linkerd.proxy.destination.Destination/Get"
    path = '{"path": "books.demo.svc.cluster.local:8080"}'
    own = f"{STATE_VARIABLE}={cluster.state} {shown('linkerd')} local kubectl"
    kubectl = "kubectl" if shutil.which("kubectl") else own
    lines = [
        "",
        f"export KUBECONFIG={cluster.kubeconfig}",
        *(
            f"{s.name}: {s.protocol} on {s.address}, http://{s.admin_address}/metrics"
            for s in services
        ),
        "Try, in another terminal:",
        f"  {shown('grpcurl')} -plaintext -d '{path}' 127.0.0.1:8086 {get}",
        f"  {kubectl} apply -f {EXAMPLE}    # after a change of it",
        "ctrl-C ends everything.",
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
