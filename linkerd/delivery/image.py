"""Build the container image without Docker and without a registry.

The base is made from Debian's packages by mmdebstrap, the image from it by buildah and the same
Containerfile that Docker takes. Both are kept in the machine's cache: buildah's layers, and one
archive of each image that a container runtime can import. An image's tag is a digest of what went
into it, so whoever has the tag needs no rebuild, no import and no roll-out.
"""

import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linkerd.delivery.commands import run
from linkerd.delivery.context import PYTHON, context_digest, prepare_context
from linkerd.delivery.errors import ImageError
from linkerd.delivery.tree import digest
from linkerd.local.files import locked
from linkerd.local.packages import Need, ensure
from linkerd.local.programs import cache_folder
from linkerd.local.progress import Progress

CONTROLLER: Final = "localhost/linkerd-py"
BASE: Final = "localhost/linkerd-py-base"
CONTAINERFILE: Final = "deploy/images/Containerfile"

# Debian 12 is the release whose python3 is the image's. iptables is what init containers set.
RELEASE: Final = "bookworm"
_PACKAGES: Final = ("python3", "python3-venv", "ca-certificates", "iptables")
_LEFT_OUT: Final = tuple(f"/usr/share/{name}/*" for name in ("doc", "info", "locale", "man"))
# More than one, because two clones may build in turn while a third still loads what it built.
_KEPT_ARCHIVES: Final = 3
_BASE_CONFIG: Final = (
    "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "--cmd", '["python3"]',
)  # fmt: skip


IMAGE_NEEDS: Final = (
    Need("buildah", "buildah", "builds the control plane's image"),
    Need("mmdebstrap", "mmdebstrap", "makes the base of that image from Debian's packages"),
)


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a file that container runtimes import."""

    name: str
    tag: str
    archive: Path

    @property
    def reference(self) -> str:
        """As a pod names it."""
        return f"{self.name}:{self.tag}"


class ImageBuilder:
    """Builds the images of one source tree. Needs root, buildah and mmdebstrap; the latter two are
    installed on Debian. Raises ImageError, or MissingProgramError elsewhere."""

    def __init__(self, tree: Path, progress: Progress, cache: Path | None = None) -> None:
        self._tree = tree
        self._progress = progress
        self._cache = cache or cache_folder()

    def base(self) -> Image:
        """A small Debian with Python: what the control plane's image and the demo stand on."""
        ensure(IMAGE_NEEDS, self._progress)
        recipe = ("base", PYTHON, RELEASE, platform.machine(), *_PACKAGES, *_LEFT_OUT)
        image = self._image(BASE, digest(self._tree, [], *recipe))
        with locked(self._cache / "image.lock"):
            if not self._is_built(image):
                self._build_base(image)
        return image

    def controller(self) -> Image:
        """The image of all services."""
        base = self.base()
        key = digest(self._tree, [], base.tag, context_digest(self._tree))
        image = self._image(CONTROLLER, key)
        with locked(self._cache / "image.lock"):
            if not self._is_built(image):
                self._build_controller(image, base)
        return image

    def _build_base(self, image: Image) -> None:
        with (
            self._progress.step("Making the base image from Debian's packages (once a machine)"),
            tempfile.TemporaryDirectory(dir=self._cache) as scratch,
        ):
            tarball = Path(scratch) / "base.tar"
            _debootstrap(tarball)
            container = self._buildah("from", "scratch").strip()
            try:
                self._buildah("add", "--quiet", container, str(tarball), "/")
                self._buildah("config", *_BASE_CONFIG, container)
                self._buildah("commit", "--quiet", container, image.reference)
            finally:
                self._buildah("rm", container)
            self._export(image, image.reference)

    def _build_controller(self, image: Image, base: Image) -> None:
        context = prepare_context(self._tree, self._cache, self._progress)
        with self._progress.step("Building the control plane's image"):
            latest = f"{CONTROLLER}:latest"
            # chroot isolation needs no container runtime, no cgroups and no network.
            self._buildah(
                "build", "--quiet", "--isolation", "chroot", "--layers", "--pull=never",
                "--build-arg", f"BASE={base.reference}", "--build-arg", f"PROJECT={image.tag}",
                "--tag", latest,
                "--file", str(self._tree / CONTAINERFILE), str(context),
            )  # fmt: skip
            self._export(image, latest)

    def _image(self, name: str, tag: str) -> Image:
        archive = self._cache / "images" / f"{name.rpartition('/')[2]}-{tag}.tar"
        return Image(name, tag, archive)

    def _is_built(self, image: Image) -> bool:
        if not image.archive.exists():
            return False
        if image.name == BASE:  # the next image is built from it, not from its archive
            return bool(
                self._buildah("images", "--quiet", "--filter", f"reference={image.reference}")
            )
        return True

    def _export(self, image: Image, built: str) -> None:
        """Write the archive, whole or not at all, and drop those of builds long past."""
        image.archive.parent.mkdir(parents=True, exist_ok=True)
        partial = image.archive.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        self._buildah("push", "--quiet", built, f"docker-archive:{partial}:{image.reference}")
        partial.rename(image.archive)
        prefix = image.archive.name.removesuffix(f"{image.tag}.tar")
        ours = image.archive.parent.glob(f"{prefix}{'[0-9a-f]' * len(image.tag)}.tar")
        for old in sorted(ours, key=lambda file: file.stat().st_mtime)[:-_KEPT_ARCHIVES]:
            old.unlink()

    def _buildah(self, command: str, *arguments: str) -> str:
        storage = ("--root", str(self._cache / "containers"), "--runroot", "/run/linkerd-py-images")
        return run(
            ["buildah", *storage, command, *arguments],
            error=ImageError,
            doing=f"buildah {command}",
        )


def _debootstrap(tarball: Path) -> None:
    run(
        [
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(_PACKAGES)}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT), RELEASE, tarball,
        ],
        error=ImageError,
        doing="making the base image with mmdebstrap",
    )  # fmt: skip
