"""Requests to our services, encoded: what the load generator sends without knowing types."""

from linkerd.mesh.context_token import ContextToken
from linkerd.stubs.proxy import destination_pb2


def get_destination(path: str, *, namespace: str = "", node: str = "") -> bytes:
    """An encoded GetDestination for an authority, with a proxy's context token if it has one."""
    token = ContextToken(namespace, node)
    return destination_pb2.GetDestination(
        path=path, context_token=str(token) if token != ContextToken() else ""
    ).SerializeToString()
