"""Any messages, cut anywhere, read at any time: they arrive in order, nothing gets stuck, and what
a slow reader holds is bounded."""

import asyncio
from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
from hypothesis import given

from linkerd.rpc.client.calls import Call
from linkerd.rpc.client.errors import DeadlineError, StatusError

WINDOW = 100
LARGEST = 350


class Peer:
    """Sends as much as there is room for."""

    def __init__(self, messages: Sequence[bytes]) -> None:
        self.call = Call(self, 1, LARGEST)
        self.rest = b"".join(b"\0" + len(m).to_bytes(4) + m for m in messages)
        self.room = WINDOW
        self.left = 0

    def give_room(self, stream_id: int, size: int) -> None:
        assert stream_id == 1
        assert size > 0
        self.room += size
        assert self.room <= WINDOW, "room for what was never sent"

    def leave(self, call: Call) -> None:
        assert call is self.call
        self.left += 1

    def send(self, most: int) -> bool:
        size = min(most, self.room, len(self.rest))
        data, self.rest = self.rest[:size], self.rest[size:]
        self.room -= size
        if data:
            self.call.data(data, size)
        return bool(data)


def read_now(call: Call) -> bytes | None:
    """The next message, if it is there."""
    reading = call.read()
    try:
        reading.send(None)
    except StopIteration as done:
        message: bytes | None = done.value
        return message
    reading.close()
    return None


@given(
    st.lists(st.binary(max_size=LARGEST), max_size=12),
    st.lists(st.tuples(st.integers(1, 130), st.integers(0, 3)), max_size=40),
)
def test_nothing_gets_stuck_and_nothing_piles_up(
    messages: list[bytes], turns: list[tuple[int, int]]
) -> None:
    async def run() -> None:
        peer, read = Peer(messages), list[bytes]()
        whole = len(peer.rest)
        for size, reads in [*turns, *[(WINDOW, 1)] * 200]:
            peer.send(size)
            held = whole - len(peer.rest) - sum(len(m) + 5 for m in read)
            assert held <= WINDOW + LARGEST + 5
            for _ in range(reads):
                message = read_now(peer.call)
                if message is not None:
                    read.append(message)
        assert read == messages
        assert peer.room == WINDOW
        peer.call.trailers([(b"grpc-status", b"0")])
        assert await peer.call.read() is None
        assert peer.left == 1

    asyncio.run(run())


async def test_what_has_come_is_read_before_the_error() -> None:
    peer = Peer([b"one", b"two"])
    peer.send(WINDOW)
    peer.call.trailers([(b"grpc-status", b"14"), (b"grpc-message", b"gone")])
    peer.call.expire()  # too late to matter
    assert [await peer.call.read() for _ in range(2)] == [b"one", b"two"]
    for _ in range(2):
        with pytest.raises(StatusError, match="UNAVAILABLE: gone"):
            await peer.call.read()
    assert peer.left == 1


async def test_a_call_that_expired_takes_no_more() -> None:
    peer = Peer([b"one"])
    peer.call.expire()
    peer.send(WINDOW)
    with pytest.raises(DeadlineError):
        await peer.call.read()
    assert peer.room == WINDOW - 8, "nobody wants it"


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (b"\1\0\0\0\1x", "the answer is compressed; this client takes none"),
        (b"\0\0\0\x02\x00", "the answer has 512 bytes; the limit is 350"),
    ],
)
async def test_what_is_no_message_of_ours_ends_the_call(frame: bytes, says: str) -> None:
    peer = Peer([])
    peer.call.data(frame, len(frame))
    with pytest.raises(StatusError, match=says):
        await peer.call.read()
    assert peer.left == 1
