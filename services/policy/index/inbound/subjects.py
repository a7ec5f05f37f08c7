"""What can change, as far as computations depend on it. Each names itself by its first word."""

from typing import Final

from linkerd.index import Subject

ANSWER: Final = "answer"


MOVED: Final[Subject] = ("moved",)
"""Some pods or ExternalWorkloads that somebody follows."""


def port(workload: str, port: int) -> Subject:
    """Which Server a port of a workload belongs to."""
    return "port", workload, str(port)


def server(namespace: str, name: str) -> Subject:
    """What a Server says of itself."""
    return "server", namespace, name


def server_authorizations(namespace: str, server: str) -> Subject:
    """The ServerAuthorizations for a Server."""
    return "server-authorizations", namespace, server


def policies(namespace: str, target: str, name: str) -> Subject:
    """The AuthorizationPolicies for a target, which is told by its kind and group."""
    return "policies", namespace, target, name


def mesh_tls(namespace: str, name: str) -> Subject:
    """A MeshTLSAuthentication."""
    return "mesh-tls", namespace, name


def network(namespace: str, name: str) -> Subject:
    """A NetworkAuthentication."""
    return "network", namespace, name


def rate_limits(namespace: str, server: str) -> Subject:
    """The rate limits in force for a Server."""
    return "rate-limits", namespace, server


def routes(namespace: str, server: str) -> Subject:
    """The routes that are attached to a Server."""
    return "routes", namespace, server


def answer(namespace: str, server: str) -> Subject:
    """All that is told of a Server."""
    return ANSWER, namespace, server
