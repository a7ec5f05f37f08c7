"""Everything that talks to a Kubernetes API server.

`client` carries bytes, `objects` says what we read of them, `reflector` keeps a store in step with
the server and hands out events, `reviews` asks about tokens and permissions. Errors of the outside
world leave this package only as the tree in `errors`.
"""
