"""How endpoints are printed, for people and for programs."""

import ipaddress
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from linkerd.cli._messages import plain
from linkerd.cli._screen import table
from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import net_pb2
from linkerd.wire.net import ip_text

_COLUMNS: Final = ("NAMESPACE", "IP", "PORT", "POD", "SERVICE")

Endpoint = dict[str, Any]
"""What is printed of an endpoint; in JSON, all of it."""


def describe(address: pb.WeightedAddr, labels: dict[str, str]) -> Endpoint:
    """An endpoint of an Add whose set has these labels."""
    merged = labels | dict(address.metric_labels)
    endpoint = bare(address.addr) | {
        "namespace": merged.get("namespace", ""),
        "pod": merged.get("pod", merged.get("external_workload", "")),
        "service": f"{merged.get('service', '')}.{merged.get('namespace', '')}",
        "weight": address.weight,
        "http2": plain(address.http2) if address.HasField("http2") else {},
        "labels": dict(sorted(merged.items())),
    }
    for field in ("tls_identity", "protocol_hint", "authority_override"):
        if address.HasField(field):
            endpoint[field] = plain(getattr(address, field))
    return endpoint


def bare(address: net_pb2.TcpAddress) -> Endpoint:
    """An endpoint of which only the address is known."""
    return {
        "namespace": "",
        "ip": ip_text(address.ip),
        "port": address.port,
        "pod": "",
        "service": "",
    }


def order(endpoint: Endpoint) -> tuple[Any, ...]:
    """What endpoints are sorted by: addresses as numbers."""
    ip = ipaddress.ip_address(endpoint["ip"])
    return endpoint["namespace"], endpoint["service"], ip.version, ip, endpoint["port"]


def render(groups: Iterable[Sequence[Endpoint]], output: str) -> str:
    """What is printed of the endpoints of several authorities."""
    found = [group for group in groups if group]
    if output == "json":
        return json.dumps([endpoint for group in found for endpoint in group], indent=2)
    if not found:
        return "No endpoints found."
    rows = [_COLUMNS, *(cells for group in found for cells in (*map(row, group), []))]
    return table(rows, sys.stdout)


def row(endpoint: Endpoint) -> list[str]:
    """The cells of the table."""
    return [str(endpoint[column.lower()]) for column in _COLUMNS]
