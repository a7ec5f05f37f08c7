"""What proxies take of the policy APIs, and worlds of policy objects.

`readers` follows streams of both directions as a proxy does and holds each message to the rules:
`outbound_rules` and `inbound_rules`, which are made of `backend_rules` and `part_rules`.
"""
