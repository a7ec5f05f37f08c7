"""Messages that are encoded when somebody comes to them."""

from collections.abc import Iterator

import pytest

from linkerd.streams import Messages, Topic, drain


def test_each_is_encoded_once_and_not_before_it_is_read() -> None:
    made: list[int] = []

    def encode() -> Iterator[bytes]:
        for number in range(3):
            made.append(number)
            yield bytes([number])

    topic = Topic(lambda _last, _now: Messages(encode()), "state")
    first, second = topic.subscribe(), topic.subscribe()
    assert first.poll() == b"\0"
    assert made == [0]
    assert drain(second) == [b"\0", b"\1", b"\2"]
    assert drain(first) == [b"\1", b"\2"]
    assert made == [0, 1, 2]


def test_nobody_takes_a_part_for_the_whole() -> None:
    def encode() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("odd")

    messages = Messages(encode())
    with pytest.raises(ValueError, match="odd"):
        list(messages)
    with pytest.raises(RuntimeError, match="odd"):
        list(messages)
