"""What identity tells Prometheus beyond the gRPC server's own metrics.

`issuer_cert_ttl_seconds` is upstream's; the others answer what people could not see there: whether
reloads happen, when an anchor ends, what certificates wait for.
"""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from linkerd.runtime.metrics import PlainCounter
from linkerd.runtime.reload import ReloadMetrics

_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """All of them; one instance a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.issuer_ttl = Gauge(
            "issuer_cert_ttl_seconds",
            "Seconds until the issuer certificate ends; negative after that.",
            registry=registry,
        )
        self.files = ReloadMetrics(
            registry, "identity_issuer", "the issuer's or the anchors' files"
        )
        self.certify = _histogram("identity_certify_seconds", "Certify, of all outcomes.", registry)
        self.sign = _histogram(
            "identity_sign_seconds", "Checking the request's signature and signing.", registry
        )
        self.review = _histogram(
            "identity_token_review_seconds", "One request to the API server.", registry
        )
        self.wait = _histogram(
            "identity_token_review_wait_seconds", "Waiting for a turn to be reviewed.", registry
        )
        self.reviews = PlainCounter(
            "identity_token_reviews_total",
            "Requests to the API server by outcome: answered, failed, refused.",
            ["outcome"],
            registry,
        )
        self.retries = PlainCounter(
            "identity_token_review_retries_total",
            "Reviews that were asked for again.",
            [],
            registry,
        )
        self.shed = PlainCounter(
            "identity_token_reviews_shed_total",
            "Reviews that were not asked for, by reason: circuit open, queue full, deadline.",
            ["reason"],
            registry,
        )
        self.cache = PlainCounter(
            "identity_token_review_cache_total", "Look-ups by result: hit or miss.", ["result"],
            registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "identity_token_reviews_in_flight", "Requests under way.", registry=registry
        )
        self.waiting = Gauge(
            "identity_token_reviews_waiting", "Calls that wait for a turn.", registry=registry
        )
        self.circuit_open = Gauge(
            "identity_api_server_circuit_open",
            "1 while the API server is taken to be away and calls are refused at once.",
            registry=registry,
        )

    def follow_anchors(self, anchors: Callable[[], Iterable[tuple[str, str, float]]]) -> None:
        """Shows (name, SHA-256, seconds left) of every trust anchor."""
        self._registry.register(_Anchors(anchors))


class _Anchors(Collector):
    """One series an anchor of the bundle in force; those that left it are gone."""

    def __init__(self, anchors: Callable[[], Iterable[tuple[str, str, float]]]) -> None:
        self._anchors = anchors

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "trust_anchor_cert_ttl_seconds",
            "Seconds until a trust anchor of the bundle ends; negative after that.",
            labels=["name", "sha256"],
        )
        for name, digest, seconds in self._anchors():
            family.add_metric([name, digest], seconds)
        return [family]


def _histogram(name: str, documentation: str, registry: CollectorRegistry) -> Histogram:
    return Histogram(name, documentation, buckets=_BUCKETS, registry=registry)
