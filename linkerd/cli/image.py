"""`linkerd image`: the container image, for clusters that this machine does not run."""

import sys
from pathlib import Path

import click

from linkerd.cli._commands import LocalGroup
from linkerd.delivery.context import prepare_context
from linkerd.delivery.image import CONTAINERFILE, ImageBuilder
from linkerd.delivery.tree import require_tree
from linkerd.local.programs import cache_folder
from linkerd.local.progress import choose_progress


@click.group("image", cls=LocalGroup, short_help="Build the container image.")
def command() -> None:
    """Build the container image of the control plane.

    `linkerd run` does this by itself for the cluster on this machine.
    """


@command.command("context")
def context() -> None:
    """Fill the build context for docker, podman or buildah.

    Fetches the pinned dependencies and builds the project's wheel, so that the build itself needs
    no network:

    \b
        linkerd image context
        docker build -t registry.example/linkerd-py:1 -f deploy/images/Containerfile build/image
    """
    tree = require_tree()
    folder = prepare_context(tree, cache_folder(), choose_progress())
    sys.stdout.write(f"{_short(folder)} is ready for {CONTAINERFILE}\n")


@command.command("build")
def build() -> None:
    """Build the image here, without Docker and without a registry, and print its archive.

    The archive can be loaded anywhere: `docker load -i`, `kind load image-archive`, `k3d image
    import`, `ctr -n k8s.io images import`. Needs root; on Debian it installs buildah and
    mmdebstrap.
    """
    image = ImageBuilder(require_tree(), choose_progress()).controller()
    sys.stdout.write(f"{image.reference}\n{image.archive}\n")


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
