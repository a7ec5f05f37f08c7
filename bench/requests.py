"""Requests to our services, encoded: what the load generator sends without knowing types."""

import json

from linkerd.mesh.context_token import ContextToken
from linkerd.stubs.proxy import destination_pb2, inbound_pb2, outbound_pb2
from linkerd.wire.net import tcp_address


def get_destination(path: str, *, namespace: str = "", node: str = "") -> bytes:
    """An encoded GetDestination for an authority, with a proxy's context token if it has one."""
    token = ContextToken(namespace, node)
    return destination_pb2.GetDestination(
        path=path, context_token=str(token) if token != ContextToken() else ""
    ).SerializeToString()


def traffic_spec(ip: str, port: int, source: str) -> bytes:
    """An encoded TrafficSpec for an address, of a client in the namespace `source`."""
    return outbound_pb2.TrafficSpec(
        source_workload=f"{source}:pod", addr=tcp_address(ip, port)
    ).SerializeToString()


def port_spec(namespace: str, pod: str, port: int) -> bytes:
    """An encoded PortSpec for a port of a pod, as its proxy asks for it."""
    return inbound_pb2.PortSpec(
        workload=json.dumps({"ns": namespace, "pod": pod}), port=port
    ).SerializeToString()
