"""Images on the node: what is there, and how one gets in without a registry."""

import hashlib
import io
import json
import platform
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from linkerd.local.containerd import ctr
from linkerd.local.errors import LocalError
from linkerd.local.space import Space
from linkerd.local.system import CommandError

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def image_names(space: Space) -> set[str]:
    """Every image that the node has, by its full name."""
    names = ctr(space, "images", "list", "--quiet").split()
    return {name for name in names if not name.startswith("sha256:")}


def load_archive(space: Space, archive: Path) -> list[str]:
    """Import an archive (OCI or Docker); the full names of the images in it.

    A name without a registry gets the one that Kubernetes would complete it to. Raises LocalError
    when the archive cannot be read, or names no image.
    """
    try:
        with archive.open("rb") as stream:
            said = ctr(space, "images", "import", "-", stdin=stream)
    except OSError as error:
        raise LocalError(f"{archive} cannot be read: {error.strerror}") from error
    except CommandError as error:
        raise LocalError(f"{archive} is no archive of an image: {error.said}") from error
    names = re.findall(r"^unpacking (\S+) \(sha256:", said, re.MULTILINE)
    if not names:
        raise LocalError(f"{archive} names no image; save it with a name and tag")
    for name in names:
        if (full := full_name(name)) != name:
            ctr(space, "images", "tag", "--force", name, full)
    return sorted(map(full_name, names))


def full_name(name: str) -> str:
    """The image's name as kubelet completes it: `demo:1` is `docker.io/library/demo:1`."""
    registry, slash, _ = name.partition("/")
    if slash and (registry == "localhost" or "." in registry or ":" in registry):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def program_image(repository: str, path: str, program: Path) -> tuple[str, bytes]:
    """Full name and OCI archive of an image that holds `program` alone, at `path`, and runs it.

    The tag follows from the content, so an image that is there already need not be loaded.
    """
    content = program.read_bytes()
    layer = _tar({path: content}, mode=0o755)
    architecture = platform.machine()
    config = {
        "architecture": _ARCHITECTURES.get(architecture, architecture),
        "os": "linux",
        "config": {"Entrypoint": [f"/{path}"], "Env": ["PATH=/bin"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    name = f"localhost/{repository}:{hashlib.sha256(layer).hexdigest()[:12]}"
    return name, oci_archive(name, config, layer)


def oci_archive(name: str, config: Mapping[str, Any], layer: bytes) -> bytes:
    """An OCI archive of one image with one uncompressed layer."""
    blobs: dict[str, bytes] = {}

    def blob(kind: str, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": blob(_CONFIG, json.dumps(config).encode()),
        "layers": [blob(_LAYER, layer)],
    }
    described = blob(_MANIFEST, json.dumps(manifest).encode())
    described["annotations"] = {"io.containerd.image.name": name}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [described]}
    layout = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps(index).encode(),
    }
    return _tar(layout | blobs, mode=0o644)


def _tar(files: Mapping[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
