"""Requests to our services, encoded: what the load generator sends without knowing types."""

import json

from linkerd.stubs.proxy import destination_pb2


def get_destination(path: str, *, namespace: str = "", node: str = "") -> bytes:
    """An encoded GetDestination for an authority, with a proxy's context token if it has one."""
    token = {key: value for key, value in (("ns", namespace), ("nodeName", node)) if value}
    return destination_pb2.GetDestination(
        path=path, context_token=json.dumps(token) if token else ""
    ).SerializeToString()
