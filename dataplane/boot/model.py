"""What the environment says about the proxy that is to start.

The variables are those that the proxy itself reads a moment later: what would make it fail then is
refused here, by name. Names with a trailing dot are too, for proxies skip them in certificates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509

from dataplane.boot.errors import BootError
from linkerd.mesh.names import is_dns_subdomain
from linkerd.mesh.proxy import (
    IDENTITY_DIR,
    IDENTITY_LOCAL_NAME,
    IDENTITY_TRUST_ANCHORS,
)
from linkerd.trust.describe import MALFORMED


@dataclass(frozen=True, slots=True)
class Workload:
    """Who the proxy will be, and the directory where it looks for its key and request."""

    name: str
    directory: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """What `environ` says. Raises BootError."""
        directory = Path(_needed(environ, IDENTITY_DIR))
        if not directory.is_dir():
            raise BootError(f"{IDENTITY_DIR}: {directory} is not a directory; mount a volume there")
        _check_anchors(_needed(environ, IDENTITY_TRUST_ANCHORS))
        name = _needed(environ, IDENTITY_LOCAL_NAME)
        if not is_dns_subdomain(name) or "." not in name:
            raise BootError(
                f"{IDENTITY_LOCAL_NAME}: {name!r} is not a full DNS name of lower-case labels, "
                "such as web.shop.serviceaccount.identity.linkerd.cluster.local"
            )
        return cls(name, directory)


def _needed(environ: Mapping[str, str], variable: str) -> str:
    value = environ.get(variable, "")
    if not value.strip():
        raise BootError(f"{variable} is not set, or empty")
    return value


def _check_anchors(pem: str) -> None:
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except MALFORMED as error:
        raise BootError(
            f"{IDENTITY_TRUST_ANCHORS} is not a bundle of PEM certificates: {error}"
        ) from None
