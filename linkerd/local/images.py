"""Images on the node: what is there, and how one gets in without a registry."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from linkerd.local.containerd import ctr
from linkerd.local.space import Space

_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def image_names(space: Space) -> set[str]:
    """Every image that the node has, by its full name."""
    return set(ctr(space, "images", "list", "--quiet").split())


def load_archive(space: Space, archive: Path) -> list[str]:
    """Import an archive (OCI or Docker) as it is named inside; the new names, full and sorted."""
    before = image_names(space)
    with archive.open("rb") as stream:
        ctr(space, "images", "import", "-", stdin=stream)
    return sorted(image_names(space) - before)


def pause_image(program: Path, machine: str) -> tuple[str, bytes]:
    """Name and OCI archive of an image that holds nothing but `program`, and runs it."""
    content = program.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    layer = _tar({"pause": content}, mode=0o755)
    config = {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    name = f"localhost/linkerd-local-pause:{digest[:12]}"
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
