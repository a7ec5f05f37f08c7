"""Names in the mesh: of services and of workloads, and the rules of DNS that they share."""

import re
from dataclasses import dataclass
from typing import Final

from linkerd.mesh.control_plane import IDENTITY

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_MAX_SUBDOMAIN: Final = 253

DEFAULT_DOMAIN: Final = "cluster.local"
"""The cluster domain, and the trust domain, where nobody chose another."""

IDENTITY_AUDIENCE: Final = "identity.l5d.io"
"""What proxies' ServiceAccount tokens are bound to."""


def is_dns_label(text: str) -> bool:
    """Whether `text` is an RFC 1123 label: lower case, digits and dashes, at most 63 long."""
    return _LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Whether `text` is dot-separated RFC 1123 labels, at most 253 characters in all."""
    return 0 < len(text) <= _MAX_SUBDOMAIN and all(map(is_dns_label, text.split(".")))


def is_dns_name(text: str) -> bool:
    """Whether `text` is a subdomain that TLS takes for the name of somebody: not one that ends in a
    number, as IPs do."""
    return is_dns_subdomain(text) and not text.rpartition(".")[2].isdigit()


def service_name(name: str, namespace: str, cluster_domain: str) -> str:
    """The full DNS name of a service, for instance `web.shop.svc.cluster.local`."""
    return f"{name}.{namespace}.svc.{cluster_domain}"


@dataclass(frozen=True, slots=True)
class IdentityDomain:
    """Where identities of this mesh live: the control plane's namespace and the trust domain."""

    controller_namespace: str
    trust_domain: str

    @property
    def identity_service(self) -> str:
        """The identity of the identity service itself."""
        return self.workload(IDENTITY, self.controller_namespace)

    def workload(self, service_account: str, namespace: str, kind: str = "serviceaccount") -> str:
        """The DNS-like identity of a workload, for instance
        `web.shop.serviceaccount.identity.linkerd.cluster.local`."""
        return (
            f"{service_account}.{namespace}.{kind}"
            f".identity.{self.controller_namespace}.{self.trust_domain}"
        )
