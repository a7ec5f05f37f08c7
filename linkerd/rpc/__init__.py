"""gRPC over tables of methods that are made from descriptors.

Serving: a service hands `methods.service` its functions and `serving.serve` its table; `first`
makes a unary method of a watching one. `engines` names what serves, `grpcio` and `h2`, which share
`server` (how one begins and ends), `dispatch` (bytes to messages, errors to statuses), `open_calls`
(limits) and `metrics`; `health` is a table like any other.

Calling: `client`, with tables of the same descriptors.
"""
