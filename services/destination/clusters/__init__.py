"""Linked clusters: credentials out of Secrets, what they lead to read into the index.

    Secrets ──> links (what a Secret says) ──> store (which cluster is read by whom) ──> reading

An unreachable cluster costs nobody else anything: it is tried for as long as its Secret is there.
Neither does one whose API server sends without end: what is read of it, its memory and its share of
the event loop are bounded (`linkerd.kube.limits` and `quota`).
"""

from services.destination.clusters.metrics import LinkCollector
from services.destination.clusters.store import MEMORY, ClusterStore

__all__ = ["MEMORY", "ClusterStore", "LinkCollector"]
