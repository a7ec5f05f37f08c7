"""Outbound: what proxies are told of traffic that their applications send.

    address ──> target ──┐
                         ├──> policy of a target, as some namespace sees it ──> topics
    objects ──> parents ─┘      (routes, backends, defaults)

A policy is derived once for all addresses and namespaces that it is the same for.
"""
