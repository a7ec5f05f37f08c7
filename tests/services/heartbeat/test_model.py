"""Names, queries and rounding."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.heartbeat.model import QUESTIONS, build_parameters, round_as_go

JOB = 'job="kubernetes-nodes-cadvisor"'


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (12.6, 0, "13"),
        (0.12345, 3, "0.123"),
        (0.0, 0, "0"),
        (0.2, 3, "0.200"),
        (12.5, 0, "12"),
        (13.5, 0, "14"),
        (1e21, 0, "1000000000000000000000"),
        (-1.5, 0, "-2"),
        (float("inf"), 0, "+Inf"),
        (float("-inf"), 3, "-Inf"),
    ],
)
def test_h5_rounding_is_that_of_go(value: float, digits: int, text: str) -> None:
    assert round_as_go(value, digits) == text


@given(st.floats(-1e9, 1e9), st.sampled_from([0, 3]))
def test_h5_rounding_is_to_the_nearest_of_the_exact_value(value: float, digits: int) -> None:
    step = Decimal(1).scaleb(-digits)
    nearest = (Decimal(value) / step).to_integral_value(ROUND_HALF_EVEN) * step
    assert Decimal(round_as_go(value, digits)) == nearest


@pytest.mark.parametrize(
    ("machine", "arch"),
    [("x86_64", "amd64"), ("AMD64", "amd64"), ("aarch64", "arm64"), ("riscv64", "riscv64")],
)
def test_architectures_have_go_names(machine: str, arch: str) -> None:
    assert build_parameters(machine, "1")["arch"] == arch


def test_queries_are_spelled_as_the_world_knows_them() -> None:
    queries = {question.parameter: question.query for question in QUESTIONS}
    assert queries == {
        "total-rps": 'sum(rate(request_total{direction="inbound", job="linkerd-proxy"}[30s]))',
        "meshed-pods": 'count(count by (pod) (request_total{job="linkerd-proxy"}))',
        "p99-handle-us": "histogram_quantile(0.99, sum by (le) "
        '(rate(request_handle_us_bucket{job="linkerd-proxy"}[24h])))',
        "proxy-injector-injections": "sum(proxy_inject_admission_responses_total"
        '{job="linkerd-controller", skip="false"})',
        "max-mem-linkerd-proxy": _memory("linkerd-proxy", ""),
        "max-mem-destination": _memory("destination", ', namespace="linkerd"'),
        "max-mem-prometheus": _memory("prometheus", ', namespace="linkerd"'),
        "p95-cpu-linkerd-proxy": _cpu("linkerd-proxy", ""),
        "p95-cpu-destination": _cpu("destination", ', namespace="linkerd"'),
        "p95-cpu-prometheus": _cpu("prometheus", ', namespace="linkerd"'),
    }
    assert {q.parameter for q in QUESTIONS if q.digits == 3} == {
        name for name in queries if name.startswith("p95-cpu-")
    }


def _memory(container: str, more: str) -> str:
    metric = "container_memory_working_set_bytes"
    return (
        f'max({metric}{{container_name="{container}", {JOB}{more}}}'
        f' or {metric}{{container="{container}", {JOB}{more}}})'
    )


def _cpu(container: str, more: str) -> str:
    metric = "container_cpu_usage_seconds_total"
    old, new = (
        f'rate({metric}{{{label}="{container}", {JOB}{more}}}[5m])[24h:5m]'
        for label in ("container_name", "container")
    )
    return f"max(quantile_over_time(0.95, {old}) or quantile_over_time(0.95, {new}))"
