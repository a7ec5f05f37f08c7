"""A certificate and its key, given to the TLS library without a file that others could read."""

import os
import ssl
import tempfile
from pathlib import Path
from typing import IO


def load_key_pair(context: ssl.SSLContext, pem: bytes) -> None:
    """Loads the key and the certificates of `pem`. Raises ssl.SSLError when they do not belong
    together or cannot be used; a key with a password cannot.

    The library takes them from files only; what was judged is what is used, so they go through one
    of our own, in memory where the system has such.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("key pair"), "wb") as file:
            _write_and_load(context, file, Path(f"/proc/self/fd/{file.fileno()}"), pem)
    else:
        with tempfile.NamedTemporaryFile() as named:
            _write_and_load(context, named, Path(named.name), pem)


def _write_and_load(context: ssl.SSLContext, file: IO[bytes], path: Path, pem: bytes) -> None:
    file.write(pem)
    file.flush()
    context.load_cert_chain(path, password="")
