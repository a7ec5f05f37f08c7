"""Those who verify certificates in a mesh, as programs: openssl, Go, and rustls, which proxies use.

Each says whether a server's leaf leads to a bundle of roots. rustls is asked through uv, which is
built on it and fetches what a test serves over TLS.
"""

import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import PrivateKey, certificate_pem, key_pem

HOST: Final = "localhost"
"""The name that leaves must have."""


@dataclass(frozen=True, slots=True)
class Presented:
    """What a server shows, and by what it is verified."""

    leaf: x509.Certificate
    key: PrivateKey
    chain: Sequence[x509.Certificate]
    roots: Sequence[x509.Certificate]


def openssl_takes(shown: Presented, folder: Path) -> bool:
    """For servers and for clients; any root ends a chain."""
    files = {
        "leaf.pem": [shown.leaf], "chain.pem": shown.chain, "roots.pem": shown.roots,
    }  # fmt: skip
    for name, certificates in files.items():
        (folder / name).write_bytes(certificate_pem(*certificates))
    command = ("openssl", "verify", "-partial_chain", "-no-CApath", "-no-CAstore")
    flags = ("-CAfile", "roots.pem", "-untrusted", "chain.pem")
    return all(
        subprocess.run(
            [*command, *flags, "-purpose", purpose, "leaf.pem"],
            cwd=folder, capture_output=True, check=False,
        ).returncode == 0
        for purpose in ("sslserver", "sslclient")
    )  # fmt: skip


def go_takes(go: Path, shown: Presented) -> bool:
    """For servers and for clients. `go` is the program of tests/linkerd/trust/verify."""
    asked = {"Leaf": [shown.leaf], "Chain": shown.chain, "Roots": shown.roots}
    done = subprocess.run(
        [go], input=json.dumps({name: _der(listed) for name, listed in asked.items()}),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout == ""


def rustls_takes(shown: Presented, folder: Path) -> bool:
    """As a client of the server that shows it.

    The cache spares uv to ask Python each time what it is; a refusal and a 404 are never in it.
    """
    roots, cache = folder / "roots.pem", folder.parent / "uv"
    roots.write_bytes(certificate_pem(*shown.roots))
    with _served(shown, folder) as port:
        index = f"https://{HOST}:{port}/simple"
        done = subprocess.run(
            [Path(sys.executable).with_name("uv"), "pip", "compile", "-", "--cache-dir", cache,
             "--no-config", "--default-index", index],
            input="nothing==1\n", capture_output=True, text=True, check=False, cwd=folder,
            env={"SSL_CERT_FILE": str(roots), "HOME": str(folder), "UV_HTTP_RETRIES": "0",
                 "UV_PYTHON": sys.executable},
        )  # fmt: skip
    refused = "invalid peer certificate" in done.stderr
    if not refused and "nothing was not found" not in done.stderr:
        raise AssertionError(done.stderr)
    return not refused


@contextmanager
def _served(shown: Presented, folder: Path) -> Iterator[int]:
    (folder / "shown.pem").write_bytes(certificate_pem(shown.leaf, *shown.chain))
    (folder / "shown.key").write_bytes(key_pem(shown.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")  # weak keys are for the other side to refuse
    context.load_cert_chain(folder / "shown.pem", folder / "shown.key")
    with http.server.HTTPServer(("127.0.0.1", 0), _Nothing) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Nothing(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Says nothing."""


def _der(certificates: Sequence[x509.Certificate]) -> list[str]:
    return [each.public_bytes(Encoding.DER).hex() for each in certificates]
