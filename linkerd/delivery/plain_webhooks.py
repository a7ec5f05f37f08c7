"""How an API server beside plain processes calls the webhooks that they serve: by an address of
this machine, and a certificate that is made anew at every start."""

import base64
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from linkerd.certificates import make_authority, make_server
from linkerd.delivery.objects import objects_of
from linkerd.local.files import write_private

_HOST: Final = "localhost"
_LIFETIME: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class ServingFiles:
    """A certificate for all that the processes serve to the API server, and the root to know it
    by."""

    certificate: Path
    key: Path
    bundle: bytes

    @classmethod
    def make(cls, folder: Path, names: list[str]) -> "ServingFiles":
        """In that folder, mode 0600, for these names and this machine's own."""
        root = make_authority(_HOST, lifetime=_LIFETIME)
        pair = make_server([*names, _HOST], root, lifetime=_LIFETIME)
        return cls(
            write_private(folder / "tls.crt", pair.certificate_pem),
            write_private(folder / "tls.key", pair.key_pem),
            root.certificate_pem,
        )


def plain_webhooks(tree: Path, port: int, files: ServingFiles) -> str:
    """The webhook configurations of deploy/base, but for how the server is called: it is on `port`
    of this machine."""
    configurations = [
        object_
        for file in sorted((tree / "deploy" / "base").glob("*/webhooks.yaml"))
        for object_ in objects_of(file.read_text())
    ]
    for webhook in (each for object_ in configurations for each in object_["webhooks"]):
        webhook["clientConfig"] = _client(webhook["clientConfig"]["service"], port, files)
    return yaml.safe_dump_all(configurations)


def _client(service: dict[str, Any], port: int, files: ServingFiles) -> dict[str, str]:
    return {
        "url": f"https://{_HOST}:{port}{service.get('path', '/')}",
        "caBundle": base64.b64encode(files.bundle).decode("ascii"),
    }
