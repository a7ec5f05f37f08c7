"""Readiness is the conjunction of its gates."""

from linkerd.runtime.readiness import Readiness


def test_ready_when_every_gate_is_open() -> None:
    readiness = Readiness()
    caches, listener = readiness.gate("caches"), readiness.gate("listener")
    assert readiness.waiting == ["caches", "listener"]
    listener.open()
    assert readiness.waiting == ["caches"]
    caches.open()
    assert readiness.waiting == []
    assert readiness.ready
    caches.close()
    assert readiness.waiting == ["caches"]


def test_a_name_is_one_gate() -> None:
    readiness = Readiness()
    assert readiness.gate("caches") is readiness.gate("caches")


def test_unready_from_the_first_gate_on() -> None:
    readiness = Readiness()
    before = readiness.ready
    readiness.gate("caches")
    assert (before, readiness.ready) == (True, False)


def test_callbacks_hear_of_changes_only() -> None:
    readiness = Readiness()
    heard: list[bool] = []
    readiness.on_change(heard.append)
    gate = readiness.gate("caches")
    gate.close()
    gate.open()
    gate.open()
    other = readiness.gate("late")
    other.open()
    assert heard == [False, True, False, True]
