"""The two files that a proxy starts from: `key.p8` and `csr.der`.

Both are DER, with mode 0600, and replaced in one step: an old key is never seen with a new request
for longer than it takes to rename a file, and nobody reads half of one. The key is always fresh:
a container that starts again is another holder of the identity.
"""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dataplane.boot.errors import BootError

KEY: Final = "key.p8"
REQUEST: Final = "csr.der"

# RFC 5280's upper bound of a common name. Longer identities are in the DNS name alone.
_MAX_COMMON_NAME: Final = 64


def write_key_and_request(directory: Path, name: str) -> None:
    """Puts a new P-256 key and a request for `name` into `directory`. Raises BootError."""
    key = ec.generate_private_key(ec.SECP256R1())
    _replace(directory / KEY, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    _replace(directory / REQUEST, signing_request(key, name))


def signing_request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """PKCS#10 in DER: the name as common name (as far as it fits) and as only DNS name."""
    fits = len(name) <= _MAX_COMMON_NAME
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if fits else []
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(subject))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=not fits)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def _replace(file: Path, content: bytes) -> None:
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(file)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        raise BootError(f"{file} cannot be written: {error.strerror or error}") from error
