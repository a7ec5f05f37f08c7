"""Events of the cluster in, what proxies are told out.

Each direction files what it needs of the objects in tables of its own, and has views of its own;
routes are judged once, for all who read them. Everything is a function of the objects alone:
whatever the order of events, the states are those of a rebuild from scratch.
"""
