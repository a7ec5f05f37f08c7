"""What a heartbeat says: the names of its parameters, the questions behind them, their rounding.

The names, the queries and their spelling (labels sorted, `, ` between them) are upstream's, and so
are its quirks: the control plane's containers are looked for in the namespace `linkerd`, whatever
its name here. README.md lists every parameter; a test holds the two together.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Parameters = Mapping[str, str]
"""Parameter name -> text, as it is sent (before URL encoding)."""

ARCH: Final = "arch"
VERSION: Final = "version"
SOURCE: Final = "source"
UUID: Final = "uuid"
INSTALL_TIME: Final = "install-time"
KUBERNETES_VERSION: Final = "k8s-version"
EXTENSION_PREFIX: Final = "ext-"
SERVICE_PROFILE_COUNT: Final = "service-profile-count"

_GO_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A PromQL query of one number, and how many decimals of it are sent under which name."""

    parameter: str
    query: str
    digits: int = 0


def build_parameters(machine: str, version: str) -> Parameters:
    """What the program knows by itself; `machine` is the kernel's word, `x86_64`."""
    name = machine.lower()
    return {ARCH: _GO_ARCHITECTURES.get(name, name), SOURCE: "heartbeat", VERSION: version}


def round_as_go(value: float, digits: int) -> str:
    """`value` with `digits` decimals as Go's 'f' format has it: 12.6 -> `13`, infinity -> `+Inf`.

    Half goes to even where the binary value is exactly half.
    """
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.{digits}f}"


def _selector(**labels: str) -> str:
    return "{" + ", ".join(f'{name}="{labels[name]}"' for name in sorted(labels)) + "}"


def _rate(metric: str, span: str, **labels: str) -> str:
    return f"rate({metric}{_selector(**labels)}[{span}])"


def _either_label(template: str, container: str, **labels: str) -> str:
    """The expression for the name that cAdvisor gave the label before Kubernetes 1.16, and after.

    `template` has `%s` where the selector goes.
    """
    cadvisor = {"job": "kubernetes-nodes-cadvisor", **labels}
    names = ({"container_name": container}, {"container": container})
    return " or ".join(template % _selector(**name, **cadvisor) for name in names)


def _memory(container: str, **labels: str) -> Question:
    query = _either_label("container_memory_working_set_bytes%s", container, **labels)
    return Question(f"max-mem-{container}", f"max({query})")


def _cpu(container: str, **labels: str) -> Question:
    query = _either_label(
        "quantile_over_time(0.95, rate(container_cpu_usage_seconds_total%s[5m])[24h:5m])",
        container,
        **labels,
    )
    return Question(f"p95-cpu-{container}", f"max({query})", digits=3)


_PROXY: Final = {"job": "linkerd-proxy"}
_CONTAINERS: Final[Mapping[str, Mapping[str, str]]] = {
    "linkerd-proxy": {},
    "destination": {"namespace": "linkerd"},
    "prometheus": {"namespace": "linkerd"},
}

QUESTIONS: Final[tuple[Question, ...]] = (
    Question("total-rps", f"sum({_rate('request_total', '30s', direction='inbound', **_PROXY)})"),
    Question("meshed-pods", f"count(count by (pod) (request_total{_selector(**_PROXY)}))"),
    Question(
        "p99-handle-us",
        "histogram_quantile(0.99, sum by (le) "
        f"({_rate('request_handle_us_bucket', '24h', **_PROXY)}))",
    ),
    Question(
        "proxy-injector-injections",
        "sum(proxy_inject_admission_responses_total"
        f"{_selector(job='linkerd-controller', skip='false')})",
    ),
    *(_memory(name, **labels) for name, labels in _CONTAINERS.items()),
    *(_cpu(name, **labels) for name, labels in _CONTAINERS.items()),
)
