"""Put the images of a source tree on the node of a local cluster."""

from pathlib import Path

from linkerd.delivery.image import ImageBuilder
from linkerd.delivery.install import Images
from linkerd.local.cluster import LocalCluster
from linkerd.local.progress import Progress


def put_on_node(tree: Path, cluster: LocalCluster, progress: Progress) -> Images:
    """Build what is not built and load what is not loaded; what pods are then to name."""
    builder = ImageBuilder(tree, progress)
    base, control_plane = builder.base(), builder.controller()
    for image in (base, control_plane):
        if not cluster.has_image(image.reference):
            with progress.step(f"Loading {image.reference} into the cluster"):
                cluster.load_image(image.archive)
    return Images(control_plane.reference, base.reference, on_node=True)
