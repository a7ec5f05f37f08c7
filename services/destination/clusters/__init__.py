"""Linked clusters: credentials out of Secrets, what they lead to read into the index.

    Secrets ──> links (what a Secret says) ──> store (which cluster is read by whom) ──> reading

An unreachable cluster costs nobody else anything: it is tried for as long as its Secret is there.
"""

from services.destination.clusters.store import ClusterStore

__all__ = ["ClusterStore"]
