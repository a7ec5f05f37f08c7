"""What the control plane's own objects are called on the cluster, and where its services listen.

These names are what tools, proxies and clusters already know; none of them is ours to change.
"""

from typing import Final

NAMESPACE: Final = "linkerd"
"""Where it is unless told otherwise."""

# Deployments; a service account has the same name.
IDENTITY: Final = "linkerd-identity"
DESTINATION: Final = "linkerd-destination"
POLICY: Final = "linkerd-policy"
SP_VALIDATOR: Final = "linkerd-sp-validator"
POLICY_VALIDATOR: Final = "linkerd-policy-validator"
"""A second Service of linkerd-sp-validator's pods."""

DESTINATION_PORT: Final = 8086
POLICY_PORT: Final = 8090
SERVICE_ADMIN_PORT: Final = 9990
"""Where services have their admin server unless they say otherwise."""
