"""A proxy as its pod shows it: the container, its environment, and the ports where it listens.

These names are what tools, proxies and clusters already know; none of them is ours to change.
"""

from typing import Final

PROXY_CONTAINER: Final = "linkerd-proxy"
"""Also the name of the port of an ExternalWorkload where its proxy listens."""

# Variables of its environment.
PROXY_INBOUND_LISTEN_ADDR: Final = "LINKERD2_PROXY_INBOUND_LISTEN_ADDR"
PROXY_ADMIN_LISTEN_ADDR: Final = "LINKERD2_PROXY_ADMIN_LISTEN_ADDR"
PROXY_CONTROL_LISTEN_ADDR: Final = "LINKERD2_PROXY_CONTROL_LISTEN_ADDR"
IDENTITY_DIR: Final = "LINKERD2_PROXY_IDENTITY_DIR"
IDENTITY_LOCAL_NAME: Final = "LINKERD2_PROXY_IDENTITY_LOCAL_NAME"
IDENTITY_TRUST_ANCHORS: Final = "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS"

# Where it listens unless its environment says otherwise.
INBOUND_PORT: Final = 4143
CONTROL_PORT: Final = 4190
ADMIN_PORT: Final = 4191
ADMIN_PORT_NAME: Final = "linkerd-admin"

INBOUND_PORTS: Final = range(1, 65535)
"""Ports of a proxy that other proxies connect to; they ignore any other."""
