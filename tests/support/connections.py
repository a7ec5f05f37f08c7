"""Which connections this process has. One over TLS takes a moment to close; a loop that ends before
that leaves it open."""

import psutil


def connections() -> set[int]:
    """Their descriptors."""
    open_ones = psutil.Process().net_connections("tcp")
    return {each.fd for each in open_ones if each.status != psutil.CONN_LISTEN}
