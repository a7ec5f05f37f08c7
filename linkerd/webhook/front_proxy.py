"""Who may call an extension API: the API server, which passes requests on with its users' names in
headers and proves by a client certificate that it is the one who says so.

Every API server publishes by which roots and names that certificate is known, in the ConfigMap
kube-system/extension-apiserver-authentication, and may change them while we serve: read it anew
when it changes, and give the roots to `ServerTls.trust_clients`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import NameOID

from linkerd.trust.describe import MALFORMED
from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import read_certificates

_WHERE: Final = "ConfigMap kube-system/extension-apiserver-authentication"
_ROOTS: Final = "requestheader-client-ca-file"
_NAMES: Final = "requestheader-allowed-names"
_SHOWN: Final = 8

_NAME_KINDS: Final = (
    x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """By what the API server is known. Without `names` any certificate of the roots will do."""

    roots: tuple[x509.Certificate, ...]
    names: frozenset[str]

    @classmethod
    def of(cls, data: Mapping[str, str]) -> Self:
        """As the ConfigMap's data says. Raises TrustProblem, which names the key."""
        roots = read_certificates(data.get(_ROOTS, "").encode(), f"{_WHERE}, {_ROOTS}")
        try:
            names = msgspec.json.decode(data.get(_NAMES) or "[]", type=list[str])
        except msgspec.MsgspecError as error:
            raise TrustProblem(f"{_WHERE}, {_NAMES}", f"it is no list of names: {error}") from error
        return cls(roots, frozenset(names))

    def refusal(self, request: web.BaseRequest) -> str | None:
        """Why the request is not from the API server; None when it is. That the certificate leads
        to the roots was verified when the connection was made."""
        certificate = client_certificate(request)
        if certificate is None:
            return "a client certificate is needed: this API is called through the API server"
        own = list(_names(certificate))
        if self.names and self.names.isdisjoint(own):
            allowed, shown = (", ".join(sorted(each)[:_SHOWN]) for each in (self.names, own))
            return f"the client certificate's names ({shown}) are none of those allowed ({allowed})"
        return None


def client_certificate(request: web.BaseRequest) -> x509.Certificate | None:
    """What the client proved to be, if it did."""
    connection = (
        None if request.transport is None else request.transport.get_extra_info("ssl_object")
    )
    der = None if connection is None else connection.getpeercert(binary_form=True)
    return None if der is None else x509.load_der_x509_certificate(der)


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """Its common names and its alternative ones."""
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        yield str(attribute.value)
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *MALFORMED):
        return
    for name in extension.value:
        if isinstance(name, _NAME_KINDS):
            yield str(name.value)
