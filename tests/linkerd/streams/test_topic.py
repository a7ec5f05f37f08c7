"""Topics and cursors, case by case; test_topic_properties.py has the interleavings."""

import gc
import weakref

import grpc
import pytest

from linkerd.streams import StreamEnd, Subscription, Topic, drain


def texts(last: str | None, current: str) -> list[bytes]:
    return [f"{last}>{current}".encode()]


class Wakes:
    """Counts wakes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def test_nothing_is_sent_before_there_is_a_state() -> None:
    topic: Topic[str] = Topic(texts)
    cursor, wakes = topic.subscribe(), Wakes()
    cursor.on_wake(wakes)
    assert cursor.poll() is None
    topic.publish("a")
    assert wakes.count == 1
    assert drain(cursor) == [b"None>a"]


def test_a_cursor_is_a_subscription() -> None:
    assert isinstance(Topic(texts, "a").subscribe(), Subscription)


def test_a_slow_reader_skips_versions() -> None:
    topic = Topic(texts, "a")
    cursor = topic.subscribe()
    assert drain(cursor) == [b"None>a"]
    for state in "bcd":
        topic.publish(state)
    assert drain(cursor) == [b"a>d"]


def test_an_equal_state_changes_nothing() -> None:
    topic = Topic(texts, "a")
    cursor, wakes = topic.subscribe(), Wakes()
    cursor.on_wake(wakes)
    drain(cursor)
    topic.publish("".join(["a"]))
    assert (topic.version, wakes.count, cursor.poll()) == (1, 0, None)


def test_wakes_are_coalesced_until_the_next_poll() -> None:
    topic = Topic(texts, "a")
    cursor, wakes = topic.subscribe(), Wakes()
    cursor.on_wake(wakes)
    drain(cursor)
    for state in "bcd":
        topic.publish(state)
    assert wakes.count == 1
    drain(cursor)
    topic.publish("e")
    assert wakes.count == 2


def test_a_reader_with_unread_messages_is_not_woken() -> None:
    topic = Topic(texts, "a")
    cursor, wakes = topic.subscribe(), Wakes()
    cursor.on_wake(wakes)
    assert cursor.poll() == b"None>a"
    topic.publish("b")
    assert wakes.count == 0
    assert drain(cursor) == [b"a>b"]


def test_a_delta_of_several_messages_is_finished_before_a_newer_state() -> None:
    def two(last: str | None, current: str) -> list[bytes]:
        return [f"{last}>{current}/1".encode(), f"{last}>{current}/2".encode()]

    topic = Topic(two, "a")
    cursor = topic.subscribe()
    assert cursor.poll() == b"None>a/1"
    topic.publish("b")
    assert drain(cursor) == [b"None>a/2", b"a>b/1", b"a>b/2"]


def test_an_empty_delta_moves_the_cursor_in_silence() -> None:
    def vowels(last: str | None, current: str) -> list[bytes]:
        return texts(last, current) if current in "aeiou" else []

    topic = Topic(vowels, "a")
    cursor = topic.subscribe()
    drain(cursor)
    topic.publish("b")
    assert cursor.poll() is None
    topic.publish("e")
    assert drain(cursor) == [b"b>e"]


def test_an_empty_message_is_a_message() -> None:
    cursor = Topic(lambda _last, _current: [b""], "a").subscribe()
    assert cursor.poll() == b""
    assert cursor.poll() is None


def test_readers_in_step_share_one_computation_and_the_same_bytes() -> None:
    calls: list[tuple[str | None, str]] = []

    def counted(last: str | None, current: str) -> list[bytes]:
        calls.append((last, current))
        return texts(last, current)

    topic = Topic(counted, "a")
    cursors = [topic.subscribe() for _ in range(3)]
    first = [cursor.poll() for cursor in cursors]
    assert first[0] is first[1] is first[2]
    assert calls == [(None, "a")]


def test_how_many_are_in_step() -> None:
    topic = Topic(texts, "a")
    one, two = topic.subscribe(), topic.subscribe()
    assert topic.in_step == 0
    drain(one)
    two.poll()
    assert topic.in_step == 1
    drain(two)
    assert topic.in_step == 2
    topic.publish("b")
    assert topic.in_step == 0
    drain(one)
    one.close()
    assert (topic.in_step, topic.subscribers) == (0, 1)


def test_end_reaches_every_cursor_and_those_to_come() -> None:
    topic = Topic(texts, "a")
    resting, unread, wakes = topic.subscribe(), topic.subscribe(), Wakes()
    resting.on_wake(wakes)
    drain(resting)
    topic.end(StreamEnd(grpc.StatusCode.NOT_FOUND, "gone"))
    assert wakes.count == 1
    for cursor in (resting, unread, topic.subscribe()):
        for _ in range(2):
            with pytest.raises(StreamEnd, match="NOT_FOUND: gone"):
                cursor.poll()
        cursor.close()
    assert topic.subscribers == 0


def test_the_end_keeps_nothing_of_those_who_were_told_it() -> None:
    """Neither the frames of earlier polls nor what they held, without the garbage collector."""

    class Held:
        """Something in the frame of a reader."""

    def told() -> tuple[int, weakref.ref[Held]]:
        held = Held()
        cursor = topic.subscribe()
        with pytest.raises(StreamEnd) as caught:
            cursor.poll()
        cursor.close()
        depth = len(caught.traceback)
        del caught
        return depth, weakref.ref(held)

    topic = Topic(texts, "a")
    topic.end(StreamEnd(grpc.StatusCode.UNAVAILABLE, "moved"))
    gc.collect()
    gc.disable()
    try:
        depths, held = zip(*(told() for _ in range(2000)), strict=True)
        assert set(depths) == {2}
        assert not [reference for reference in held if reference() is not None]
    finally:
        gc.enable()


def test_close_is_final_and_harmless_twice() -> None:
    topic = Topic(texts, "a")
    cursor, wakes = topic.subscribe(), Wakes()
    cursor.on_wake(wakes)
    drain(cursor)
    cursor.close()
    cursor.close()
    topic.publish("b")
    assert (topic.subscribers, wakes.count, cursor.poll()) == (0, 0, None)


def test_on_empty_is_called_whenever_the_last_reader_leaves() -> None:
    emptied = Wakes()
    topic = Topic(texts, "a", on_empty=emptied)
    one, two = topic.subscribe(), topic.subscribe()
    one.close()
    assert emptied.count == 0
    two.close()
    assert emptied.count == 1
    topic.subscribe().close()
    assert emptied.count == 2


def test_a_reader_may_leave_during_the_wake_of_another() -> None:
    topic = Topic(texts, "a")
    one, two = topic.subscribe(), topic.subscribe()
    wakes = Wakes()
    two.on_wake(wakes)
    one.on_wake(two.close)
    drain(one)
    drain(two)
    topic.publish("b")
    assert wakes.count == 0
    assert topic.subscribers == 1


def test_a_wake_may_poll_and_publish() -> None:
    topic = Topic(texts, "a")
    seen: list[bytes] = []
    eager, late = topic.subscribe(), topic.subscribe()
    wakes = Wakes()
    late.on_wake(wakes)

    def on_wake() -> None:
        seen.extend(drain(eager))
        if topic.state == "b":
            topic.publish("c")

    eager.on_wake(on_wake)
    drain(eager)
    drain(late)
    topic.publish("b")
    assert seen == [b"a>b", b"b>c"]
    assert wakes.count == 1
    assert drain(late) == [b"a>c"]


def test_a_reader_polled_inside_the_wake_of_another_is_not_woken_for_it() -> None:
    topic = Topic(texts, "a")
    one, two = topic.subscribe(), topic.subscribe()
    wakes = Wakes()
    two.on_wake(wakes)

    def meddle() -> None:
        assert two.poll() == b"a>b"

    one.on_wake(meddle)
    drain(one)
    drain(two)
    topic.publish("b")
    assert wakes.count == 0


def test_one_wake_even_when_a_wake_polls_others_and_publishes() -> None:
    topic = Topic(texts, "a")
    one, two = topic.subscribe(), topic.subscribe()
    wakes = Wakes()
    two.on_wake(wakes)

    def meddle() -> None:
        if topic.state == "b":
            drain(two)
            topic.publish("c")

    one.on_wake(meddle)
    drain(one)
    drain(two)
    topic.publish("b")
    assert wakes.count == 1
    assert drain(two) == [b"b>c"]


def test_a_delta_that_fails_leaves_the_reader_where_it_was() -> None:
    broken = True

    def flaky(last: str | None, current: str) -> list[bytes]:
        if broken:
            raise ValueError(current)
        return texts(last, current)

    topic = Topic(flaky, "a")
    cursor = topic.subscribe()
    with pytest.raises(ValueError, match="a"):
        cursor.poll()
    broken = False
    assert drain(cursor) == [b"None>a"]


class State:
    """Compares by identity and can be watched."""


def test_states_live_as_long_as_someone_is_at_them() -> None:
    topic: Topic[State] = Topic(lambda _last, _current: [b"x"], State())
    lagging, brisk = topic.subscribe(), topic.subscribe()
    drain(lagging)
    assert topic.state is not None
    first = weakref.ref(topic.state)
    refs = []
    for _ in range(1000):
        state = State()
        refs.append(weakref.ref(state))
        topic.publish(state)
        drain(brisk)
    del state
    gc.collect()
    assert first() is not None
    assert [ref() for ref in refs[:-1]] == [None] * 999
    assert len(topic._deltas) <= 2
    drain(lagging)
    gc.collect()
    assert first() is None
