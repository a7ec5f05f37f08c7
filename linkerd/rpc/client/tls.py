"""Who we are, and whom we trust, on connections to others in the mesh.

As between proxies: TLS 1.3, both sides with certificates that lead to the mesh's trust anchors, the
server asked for by its identity (SNI), which must be a DNS name of its certificate, letter for
letter; wildcards and common names are nobody's. No protocol is negotiated (ALPN), since proxies
choose none.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from linkerd.rpc.client.errors import PeerIdentityError
from linkerd.runtime.errors import StartError
from linkerd.runtime.files import Contents, FileSet
from linkerd.runtime.key_pairs import load_key_pair
from linkerd.runtime.logs import get_logger

_SHOWN: Final = 300  # characters of a peer's names
_log = get_logger(__name__)


class MeshTls:
    """The context of new connections, made of three files in PEM: the certificate with its
    intermediates, its key, and the trust anchors. A `Reloaded`: a `Reloader` of `files` keeps it
    current, and connections made with an older one take no new calls.
    """

    def __init__(self, certificate: Path, key: Path, anchors: Path) -> None:
        self.files = FileSet((certificate, key, anchors))
        self._context: ssl.SSLContext | None = None

    @property
    def context(self) -> ssl.SSLContext:
        """For new connections. Load first."""
        if self._context is None:
            raise RuntimeError("load() comes first")
        return self._context

    def load(self) -> None:
        """Reads the files. Raises StartError, which names the one that cannot be used."""
        self.take(self.make(self.files.load()))

    def make(self, contents: Contents) -> ssl.SSLContext:
        certificate, key, anchors = self.files.paths
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # it takes wildcards; `stranger_of` looks at names
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an anchor may be an intermediate
        try:
            context.load_verify_locations(cadata=contents[anchors].decode("ascii"))
        except (ssl.SSLError, ValueError) as error:
            raise StartError(f"{anchors}: no trust anchors in PEM: {error}") from error
        if not context.get_ca_certs():
            raise StartError(f"{anchors}: no trust anchors: their certificates must be CAs")
        try:
            load_key_pair(context, contents[key] + b"\n" + contents[certificate])
        except ssl.SSLError as error:
            raise StartError(
                f"{certificate}, {key}: no certificate with its unencrypted key in PEM: {error}"
            ) from error
        return context

    def take(self, value: ssl.SSLContext) -> None:
        if self._context is not None:
            _log.info("certificate of the client updated", path=str(self.files.paths[0]))
        self._context = value

    def refuse(self, why: str) -> None:
        _log.error("certificate of the client not updated: the old one stays in use", error=why)


def stranger_of(
    address: str, identity: str, certificate: Mapping[str, Any]
) -> PeerIdentityError | None:
    """What there is to say if a certificate (as `SSLSocket.getpeercert` gives it) is not of
    `identity`; it names both."""
    names = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "DNS"]
    if identity.lower() in map(str.lower, names):
        return None
    shown = ", ".join(names)[:_SHOWN] or "nobody"
    return PeerIdentityError(f"{address} is to be {identity}, but its certificate is of {shown}")
