"""Serving HTTPS to the API server: admission webhooks and extension APIs.

`tls` (certificates that reload), `front_proxy` (whether it is the API server that calls), `https`
(connections, their bounds and their end), `body` (requests' bodies, bounded), `review`
(AdmissionReview and verdicts), `admission` (from body to verdict), `serving` (all of it for a
service, from its settings).
"""
