"""One program of the cluster: how it is started, and how to tell that it is ready."""

import hashlib
import http.client
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from linkerd.local.certificates import Pair

Probe = Callable[[], bool]
_PROBE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Component:
    """`argv` starts it; `ready` is asked until it says yes, `patience` seconds at most.

    `settings` is the content of the files that `argv` names, as far as we write them.
    """

    name: str
    argv: tuple[str, ...]
    ready: Probe
    settings: str = ""
    patience: float = 90.0

    @property
    def fingerprint(self) -> str:
        """Differs when the component would have to be started again to be as described."""
        return hashlib.sha256("\0".join((*self.argv, self.settings)).encode()).hexdigest()


def flags(program: Path, **values: object) -> tuple[str, ...]:
    """A command line in the manner of Kubernetes: `bind_address="::"` is `--bind-address=::`."""
    return (
        str(program),
        *(f"--{name.replace('_', '-')}={_text(value)}" for name, value in values.items()),
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def https_probe(
    address: str, port: int, path: str, *, authority: Path, client: Pair | None = None
) -> Probe:
    """Ready when GET of `path` answers 200, with a certificate that `authority` signed."""

    def probe() -> bool:
        context = ssl.create_default_context(cafile=authority)
        if client:
            context.load_cert_chain(client.certificate, client.key)
        return _answers(
            http.client.HTTPSConnection(address, port, timeout=_PROBE_SECONDS, context=context),
            path,
        )

    return probe


def http_probe(address: str, port: int, path: str) -> Probe:
    """Ready when GET of `path` answers 200."""
    return lambda: _answers(http.client.HTTPConnection(address, port, timeout=_PROBE_SECONDS), path)


def _answers(connection: http.client.HTTPConnection, path: str) -> bool:
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
