"""Reading one object, now, past every cache. For rare fallbacks only: nothing that happens once a
stream or once an endpoint may call this."""

from typing import TypeVar

from linkerd.kube.client import KubeClient
from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.errors import ProtocolError
from linkerd.kube.objects import KubeObject
from linkerd.kube.resource import Resource

T = TypeVar("T", bound=KubeObject)


async def read_object(
    client: KubeClient, resource: Resource[T], name: str, namespace: str | None = None
) -> T:
    """The object of that name. Raises NotFound, ProtocolError for a malformed one, or any other
    KubeError."""
    path = resource.path(namespace, name)
    body = await client.request("GET", path, accept=resource.accept_object)
    item = ObjectDecoder(resource.type).decode(body)
    if isinstance(item, Malformed):
        raise ProtocolError(f"{resource.kind} {namespace or ''}/{name}: {item.problem}")
    return item
