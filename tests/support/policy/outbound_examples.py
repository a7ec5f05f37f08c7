"""Good outbound policies of every protocol, and ways to spoil them."""

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format

from linkerd.stubs.proxy import outbound_pb2 as pb

SERVICE = {"resource": {"group": "core", "kind": "Service", "name": "pear", "namespace": "fruit"}}
BACKEND = {
    "metadata": SERVICE,
    "queue": {"capacity": 100, "failfastTimeout": "3s"},
    "balancer": {
        "discovery": {"dst": {"path": "pear.fruit.svc.cluster.local:8080"}},
        "peakEwma": {"defaultRtt": "0.030s", "decay": "10s"},
    },
}
FORWARD = {
    "metadata": {"default": "egress-fallback"},
    "queue": {"capacity": 100, "failfastTimeout": "3s"},
    "forward": {"addr": {"ip": {"ipv4": 1}, "port": 80}, "weight": 1},
}
BACKOFF = {"minBackoff": "1s", "maxBackoff": "60s", "jitterRatio": 0.5}
FIRST = {"firstAvailable": {"backends": [{"backend": BACKEND}]}}
WEIGHTED = {"randomAvailable": {"backends": [{"backend": {"backend": FORWARD}, "weight": 1}]}}
HTTP_RULE: dict[str, Any] = {
    "matches": [
        {
            "path": {"prefix": "/a"},
            "headers": [{"name": "x-a", "exact": "YQ=="}, {"name": "x-b", "regex": "a+"}],
            "queryParams": [{"name": "q", "exact": "1"}],
            "method": {"registered": "POST"},
        }
    ],
    "filters": [
        {"requestHeaderModifier": {"add": {"headers": [{"name": "x-a", "value": "YQ=="}]}}},
        {
            "redirect": {
                "scheme": {"unregistered": "ftp"},
                "host": "a.test",
                "path": {"full": "/x"},
                "status": 302,
            }
        },
        {"failureInjector": {"status": 500, "message": "no"}},
    ],
    "backends": WEIGHTED,
    "timeouts": {"request": "1s"},
    "retry": {
        "conditions": {"statusRanges": [{"start": 500, "end": 599}]},
        "backoff": BACKOFF,
        "timeout": "1s",
    },
}
HTTP = {
    "routes": [
        {
            "metadata": {"default": "http"},
            "hosts": [{"exact": "a.test"}, {"suffix": {"reverseLabels": ["test", "b"]}}],
            "rules": [HTTP_RULE],
        }
    ],
    "failureAccrual": {"consecutiveFailures": {"maxFailures": 7, "backoff": BACKOFF}},
}
OPAQUE = {"routes": [{"metadata": {"default": "opaq"}, "rules": [{"backends": FIRST}]}]}
GRPC = {
    "routes": [
        {
            "metadata": SERVICE,
            "rules": [
                {
                    "matches": [{"rpc": {}}],
                    "filters": [{"failureInjector": {"code": 14, "message": "no"}}],
                    "backends": FIRST,
                    "retry": {"conditions": {"unavailable": True}},
                }
            ],
        }
    ],
    "failureAccrual": {
        "unified": {
            "successRateThreshold": 0.8,
            "decay": "10s",
            "minRequests": 5,
            "backoff": BACKOFF,
        }
    },
}
TLS = {
    "routes": [
        {
            "metadata": SERVICE,
            "snis": [{"exact": "a.test"}],
            "rules": [{"backends": {"empty": {}}, "filters": [{"forbidden": {}}]}],
        }
    ]
}
GOOD: dict[str, Any] = {
    "detect": {"timeout": "10s", "opaque": OPAQUE, "http1": HTTP, "http2": HTTP},
    "http1": HTTP,
    "http2": HTTP,
    "grpc": GRPC,
    "tls": TLS,
    "opaque": OPAQUE,
}


def policy(kind: str) -> pb.OutboundPolicy:
    said = {"metadata": SERVICE, "protocol": {kind: GOOD[kind]}}
    return json_format.ParseDict(said, pb.OutboundPolicy())


Spoil = Callable[[Any], object]


def rule(spoil: Spoil) -> Spoil:
    """Spoils the first rule of the first route."""
    return lambda protocol: spoil(protocol.routes[0].rules[0])


def backend(spoil: Spoil) -> Spoil:
    """Spoils the backend of an opaque route."""
    return rule(lambda item: spoil(item.backends.first_available.backends[0].backend))


def forward(spoil: Spoil) -> Spoil:
    """Spoils the backend of an HTTP route."""
    return rule(lambda item: spoil(item.backends.random_available.backends[0].backend.backend))


def match(spoil: Spoil) -> Spoil:
    return rule(lambda item: spoil(item.matches[0]))


def filters(number: int, spoil: Spoil) -> Spoil:
    return rule(lambda item: spoil(item.filters[number]))


def breaker(spoil: Spoil) -> Spoil:
    return lambda protocol: spoil(protocol.failure_accrual.consecutive_failures)


def unified(spoil: Spoil) -> Spoil:
    return lambda protocol: spoil(protocol.failure_accrual.unified)


def clear(*fields: str) -> Spoil:
    return lambda item: [item.ClearField(field) for field in fields]


def has(**values: Any) -> Spoil:
    def spoil(item: Any) -> None:
        for name, value in values.items():
            setattr(item, name, value)

    return spoil


def path(text: str) -> Spoil:
    return backend(lambda item: has(path=text)(item.balancer.discovery.dst))


def two_weights(item: Any, *weights: int) -> None:
    backends = item.backends.random_available.backends
    backends.append(backends[0])
    for known, weight in zip(backends, weights, strict=True):
        known.weight = weight
