"""What a Secret says of a linked cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from linkerd.kube.objects import Secret
from linkerd.mesh.labels import (
    LINKED_CLUSTER_DOMAIN,
    LINKED_CLUSTER_NAME,
    LINKED_TRUST_DOMAIN,
    REMOTE_KUBECONFIG,
)
from linkerd.mesh.names import is_dns_subdomain

KUBECONFIG: Final = "kubeconfig"
"""The Secret's key."""


class LinkError(ValueError):
    """The Secret does not make a link. The message names what is missing, and no value."""


@dataclass(frozen=True, slots=True)
class Link:
    """A linked cluster: `name` is what services call it, the domains are those of its own control
    plane. Links are equal if they lead to the same thing in the same way."""

    name: str
    trust_domain: str
    cluster_domain: str
    kubeconfig: bytes = field(repr=False)


def link_of(secret: Secret) -> Link | None:
    """The link that a Secret makes; None if it is of another kind. Raises LinkError."""
    metadata = secret.metadata
    name = metadata.labels.get(LINKED_CLUSTER_NAME)
    if secret.type != REMOTE_KUBECONFIG or name is None:
        return None
    if not name:
        raise LinkError(f"label {LINKED_CLUSTER_NAME} is empty")
    kubeconfig = secret.data.get(KUBECONFIG)
    if not kubeconfig:
        raise LinkError(f"data: {KUBECONFIG} is missing")
    return Link(
        name,
        trust_domain=_domain(metadata.annotations, LINKED_TRUST_DOMAIN),
        cluster_domain=_domain(metadata.annotations, LINKED_CLUSTER_DOMAIN),
        kubeconfig=kubeconfig,
    )


def _domain(annotations: Mapping[str, str], annotation: str) -> str:
    domain = annotations.get(annotation, "")
    if not is_dns_subdomain(domain):
        what = "is no DNS name" if domain else "is missing"
        raise LinkError(f"annotation {annotation} {what}")
    return domain
