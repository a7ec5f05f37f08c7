"""Bring the control plane into a cluster: its image, its certificates, its objects.

Used by the commands of `linkerd.cli` that install or show something, and by end-to-end tests.
Everything here is synchronous and says what it does through a `Progress`; what cannot be done is a
`DeliveryError` whose message is one sentence.
"""
