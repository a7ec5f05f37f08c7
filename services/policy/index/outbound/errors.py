"""Why a proxy is told no outbound policy."""

from linkerd.index import UnclearError


class UnknownTargetError(UnclearError):
    """It is in the cluster, but nothing that policy knows: a pod, a node, a headless service. Who
    was told something before keeps to that. The message is fit for the client."""
