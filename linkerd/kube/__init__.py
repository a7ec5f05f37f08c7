"""Everything that talks to a Kubernetes API server.

`client` carries bytes, `resource` is the table of kinds, and `objects` says what we read of them.
`reading` reads kinds of a cluster, each into a listener (an index's, most often): a `reflector` a
kind keeps a store in step with the server and hands out events. `lists` is for who looks once,
`reviews` asks about tokens and permissions, `controller` writes. Errors of the outside
world leave this package only as the tree in `errors`.
"""
