"""A mesh of real proxies on one machine, for the scenarios in `tests/scenarios/mesh`.

`hosts` are network namespaces, `proxies` run on them beside `apps`, `world` puts the control plane
beside them, `calls` are what clients send, and a `scene` is what one test makes of it all.
"""
