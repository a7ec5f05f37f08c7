"""Who a meshed pod is, and where its proxy shows its certificate."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from linkerd.check.cluster import Object
from linkerd.check.identity import proxy_container
from linkerd.mesh.proxy import ADMIN_PORT, ADMIN_PORT_NAME, IDENTITY_LOCAL_NAME

_SECONDS: Final = 10.0
_REFERENCE: Final = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)")


class ProxyProblem(Exception):  # noqa: N818  # an answer about the pod, not a fault of ours
    """The pod has no certificate to show, or does not show it."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The identity of a pod's proxy, and the port whose TLS answers to that name."""

    identity: str
    port: int


def proxy_of(pod: Object) -> Proxy:
    """Raises ProxyProblem when the pod has no proxy, or one without an identity."""
    container = proxy_container(pod)
    if container is None:
        raise ProxyProblem("it has no proxy")
    identity = _variables(pod, container).get(IDENTITY_LOCAL_NAME, "")
    if not identity or "$(" in identity:
        raise ProxyProblem(f"its proxy has no {IDENTITY_LOCAL_NAME} that can be read")
    ports = {p.get("name"): int(p["containerPort"]) for p in container.get("ports") or ()}
    return Proxy(identity, ports.get(ADMIN_PORT_NAME, ADMIN_PORT))


async def served_certificate(port: int, identity: str) -> x509.Certificate:
    """The leaf that a TLS server at this local port shows to those who ask for `identity`.

    Nothing is verified: it is shown, not trusted. Raises ProxyProblem.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname=identity
            )
    except TimeoutError:
        raise ProxyProblem(f"no TLS handshake within {_SECONDS:.0f} s") from None
    except (OSError, UnicodeError) as error:
        raise ProxyProblem(f"no TLS handshake: {error}") from error
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return x509.load_der_x509_certificate(der)


def _variables(pod: Object, container: Object) -> dict[str, str]:
    """The container's variables as kubelet makes them, as far as the pod itself says."""
    known: dict[str, str] = {}
    for variable in container.get("env") or ():
        value = variable.get("value")
        if value is None:
            source = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
            value = _field(pod, source)
        if value is not None:
            known[variable["name"]] = _REFERENCE.sub(
                lambda match: known.get(match[1], match[0]), value
            )
    return known


def _field(pod: Object, path: str) -> str | None:
    fields = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName"),
    }
    value = fields.get(path)
    return None if value is None else str(value)
