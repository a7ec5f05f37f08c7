"""Metrics of served calls, named as the Go servers of upstream name them."""

from typing import ClassVar, Final
from weakref import WeakKeyDictionary

import grpc
from prometheus_client import CollectorRegistry, Counter, Histogram

from linkerd.rpc.methods import Method
from linkerd.runtime.metrics import PlainCounter

_LABELS: Final = ("grpc_type", "grpc_service", "grpc_method")
_BUCKETS: Final = (0.1, 1, 300, 3600)
# What Go calls the codes; Python's names in camel case, but for these.
_GO_NAMES: Final = {grpc.StatusCode.OK: "OK", grpc.StatusCode.CANCELLED: "Canceled"}


def go_code(code: grpc.StatusCode) -> str:
    """`InvalidArgument` for INVALID_ARGUMENT."""
    return _GO_NAMES.get(code) or code.name.title().replace("_", "")


class MethodMetrics:
    """The series of one method."""

    __slots__ = ("_handled", "_labels", "received", "seconds", "sent", "started")

    def __init__(self, family: "RpcMetrics", labels: tuple[str, str, str]) -> None:
        self._labels = labels
        self._handled = family.handled
        self.started = family.started.labels(*labels)
        self.received = family.received.labels(*labels)
        self.sent = family.sent.labels(*labels)
        self.seconds = family.seconds.labels(*labels)

    def handled(self, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call that ended."""
        self._handled.labels(*self._labels, go_code(code)).inc()
        self.seconds.observe(seconds)


class RpcMetrics:
    """The metric families; one instance a registry, which `of` finds."""

    _instances: ClassVar[WeakKeyDictionary[CollectorRegistry, "RpcMetrics"]] = WeakKeyDictionary()

    @classmethod
    def of(cls, registry: CollectorRegistry) -> "RpcMetrics":
        """The families of a registry, which several servers of a process may share."""
        metrics = cls._instances.get(registry)
        if metrics is None:
            metrics = cls._instances[registry] = cls(registry)
        return metrics

    def __init__(self, registry: CollectorRegistry) -> None:
        self.started = PlainCounter(
            "grpc_server_started_total", "RPCs started on the server.", _LABELS, registry
        )
        self.handled = Counter(
            "grpc_server_handled",
            "RPCs completed on the server, by code.",
            (*_LABELS, "grpc_code"),
            registry=registry,
        )
        self.received = PlainCounter(
            "grpc_server_msg_received_total", "Messages received from clients.", _LABELS, registry
        )
        self.sent = PlainCounter(
            "grpc_server_msg_sent_total", "Messages sent to clients.", _LABELS, registry
        )
        self.seconds = Histogram(
            "grpc_server_handling_seconds",
            "How long RPCs were handled, streams to their end.",
            _LABELS,
            buckets=_BUCKETS,
            registry=registry,
        )
        self.refused = PlainCounter(
            "grpc_server_calls_refused_total",
            "Calls that a limit of the whole process refused: streams, calls, bytes or pending.",
            ["limit"],
            registry,
        )
        for limit in ("streams", "calls", "bytes", "pending"):
            self.refused.labels(limit)

    def method(self, method: Method) -> MethodMetrics:
        """The series of `method`, which show zeros until it is called."""
        kind = "server_stream" if method.watching else "unary"
        return MethodMetrics(self, (kind, method.service, method.name))


class ConnectionMetrics:
    """What is counted about connections; one instance a registry, which `of` finds."""

    _instances: ClassVar[WeakKeyDictionary[CollectorRegistry, "ConnectionMetrics"]] = (
        WeakKeyDictionary()
    )

    @classmethod
    def of(cls, registry: CollectorRegistry) -> "ConnectionMetrics":
        """The counters of a registry, which several servers of a process may share."""
        metrics = cls._instances.get(registry)
        if metrics is None:
            metrics = cls._instances[registry] = cls(registry)
        return metrics

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "grpc_server_connections_refused",
            "Connections closed when they came: beyond the limit, or from a client that floods.",
            ("reason",),
            registry=registry,
        )
        self._floods = Counter(
            "grpc_server_floods",
            "Connections slowed or closed for what their client sends, by what was too much.",
            ("action", "reason"),
            registry=registry,
        )

    def refused(self, reason: str) -> None:
        """Counts a connection that was turned away."""
        self._refused.labels(reason).inc()

    def flood(self, action: str, reason: str) -> None:
        """Counts a connection that is slowed, or closed."""
        self._floods.labels(action, reason).inc()
