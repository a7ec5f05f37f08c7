"""What a feed promises, one promise a test."""

import grpc
import pytest

from linkerd.streams import Feed, StreamEnd, Subscription, drain


def feed(max_events: int = 3, max_bytes: int = 100, **options: object) -> Feed[bytes]:
    return Feed(bytes, max_events=max_events, max_bytes=max_bytes, **options)  # type: ignore[arg-type]  # the test's keywords


def told(n: int) -> bytes:
    return b"missed %d" % n


def test_a_reader_is_a_subscription() -> None:
    assert isinstance(feed().subscribe(), Subscription)


def test_readers_share_the_bytes_of_an_event() -> None:
    source = feed()
    one, two = source.subscribe(), source.subscribe()
    source.publish(b"x" * 50)
    assert one.poll() is two.poll()


def test_a_reader_is_told_what_comes_after_it_came() -> None:
    source = feed()
    early = source.subscribe()
    source.publish(b"1")
    late = source.subscribe()
    source.publish(b"2")
    assert (drain(early), drain(late)) == ([b"1", b"2"], [b"2"])


def test_a_slow_reader_misses_the_oldest_and_is_told_how_many() -> None:
    source = feed(lost=told)
    slow, fast = source.subscribe(), source.subscribe()
    heard = []
    for number in range(9):
        source.publish(b"%d" % number)
        heard += drain(fast)
    assert heard == [b"%d" % number for number in range(9)]
    assert drain(slow) == [b"missed 6", b"6", b"7", b"8"]


def test_where_the_protocol_cannot_tell_it_is_only_counted() -> None:
    drops: list[int] = []
    source = feed(dropped=drops.append)
    slow = source.subscribe()
    for number in range(5):
        source.publish(b"%d" % number)
    assert drain(slow) == [b"2", b"3", b"4"]
    assert drops == [2]


def test_bytes_are_bounded_too() -> None:
    source = feed(max_events=1000, max_bytes=10, lost=told)
    slow = source.subscribe()
    for _ in range(5):
        source.publish(b"four")
    assert source.held_bytes == 8
    assert drain(slow) == [b"missed 3", b"four", b"four"]


def test_an_event_beyond_the_bound_costs_the_others_nothing() -> None:
    source = feed(max_bytes=10, lost=told)
    reader = source.subscribe()
    for event in (b"one", b"x" * 11, b"two"):
        source.publish(event)
    assert drain(reader) == [b"one", b"missed 1", b"two"]


def test_what_all_have_read_is_let_go_of() -> None:
    source = feed()
    one, two = source.subscribe(), source.subscribe()
    source.publish(b"1")
    drain(one)
    assert source.held_bytes == 1
    drain(two)
    assert source.held_bytes == 0


def test_who_stalls_holds_nothing_once_it_leaves() -> None:
    drops: list[int] = []
    source = feed(dropped=drops.append)
    stalled, fast = source.subscribe(), source.subscribe()
    for number in range(5):
        source.publish(b"%d" % number)
        drain(fast)
    assert source.held_bytes == 3
    stalled.close()
    assert source.held_bytes == 0
    assert drops == [2], "missed, although it never asked"


def test_without_readers_nothing_is_encoded() -> None:
    encoded: list[bytes] = []

    def encode(event: bytes) -> bytes:
        encoded.append(event)
        return event

    source = Feed(encode, max_events=3, max_bytes=100)
    source.publish(b"1")
    source.subscribe().close()
    source.publish(b"2")
    assert not encoded


def test_the_end_comes_after_what_is_left() -> None:
    source = feed(lost=told)
    slow = source.subscribe()
    for number in range(5):
        source.publish(b"%d" % number)
    source.end(StreamEnd(grpc.StatusCode.OK))
    source.publish(b"too late")
    assert [slow.poll() for _ in range(4)] == [b"missed 2", b"2", b"3", b"4"]
    for reader in (slow, slow, source.subscribe()):
        with pytest.raises(StreamEnd) as ended:
            reader.poll()
        assert ended.value.code is grpc.StatusCode.OK


def test_the_end_wakes_who_rests() -> None:
    source, woken = feed(), []
    reader = source.subscribe()
    reader.on_wake(lambda: woken.append(1))
    drain(reader)
    source.end(StreamEnd(grpc.StatusCode.UNAVAILABLE))
    assert woken == [1]
