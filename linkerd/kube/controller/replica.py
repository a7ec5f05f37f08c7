"""Who this process is among the replicas of its Deployment."""

import os
import secrets
import socket


def pod_name() -> str:
    """The name of our pod, which is its HOSTNAME; outside a cluster the machine's name."""
    return os.environ.get("HOSTNAME") or socket.gethostname()


def holder_identity() -> str:
    """What we write into a Lease: the pod's name. Outside a cluster several processes may share a
    machine, and the name is made one that is this process's alone."""
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ
    return pod_name() if in_pod else f"{pod_name()}_{secrets.token_hex(4)}"
