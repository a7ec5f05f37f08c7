"""Measurements of our services against goals, and against upstream's figures.

`python -m bench` runs them (see `bench/README.md`). Nothing in `linkerd` or `services` imports
this package. A bench drives real programs from outside: a service as a plain process, a real
Kubernetes API server beside it, and a load generator in Go that is cheap enough not to be what
is measured.
"""
