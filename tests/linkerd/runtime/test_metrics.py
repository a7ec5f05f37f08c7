"""Metrics keep upstream's names."""

import pytest

from linkerd.runtime.metrics import PlainCounter, exposition, registry


def test_a_plain_counter_keeps_its_name() -> None:
    fresh = registry()
    updates = PlainCounter("endpoints_updates", "Updates.", ("cluster", "service"), fresh)
    updates.labels("local", "web").inc()
    updates.labels("local", "web").inc(2)
    text = exposition(fresh).decode()
    assert "# TYPE endpoints_updates counter\n" in text
    assert 'endpoints_updates{cluster="local",service="web"} 3.0\n' in text
    assert "endpoints_updates_total" not in text


def test_a_series_can_be_forgotten() -> None:
    fresh = registry()
    updates = PlainCounter("endpoints_updates", "Updates.", ("service",), fresh)
    updates.labels("web").inc()
    updates.remove("web")
    updates.remove("web")
    assert b"endpoints_updates{" not in exposition(fresh)


def test_a_counter_without_labels_shows_zero_at_once() -> None:
    fresh = registry()
    updates = PlainCounter("workload_updates", "Updates.", (), fresh)
    assert b"\nworkload_updates 0.0\n" in exposition(fresh)
    updates.inc()
    assert b"\nworkload_updates 1.0\n" in exposition(fresh)


def test_labels_and_names_are_checked() -> None:
    fresh = registry()
    updates = PlainCounter("workload_updates", "Updates.", ("a",), fresh)
    with pytest.raises(ValueError, match="has the labels"):
        updates.labels()
    with pytest.raises(ValueError, match="Duplicated"):
        PlainCounter("workload_updates", "Updates.", ("a",), fresh)


def test_a_registry_knows_the_process_and_the_collector() -> None:
    text = exposition(registry())
    for name in (
        b"process_resident_memory_bytes",
        b"python_gc_collections_total",
        b"python_info",
        b"log_lines_dropped_total",
    ):
        assert name in text
    assert b"_created" not in text
