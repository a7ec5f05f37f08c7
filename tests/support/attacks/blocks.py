"""Header blocks that cost more to read than to write."""

from collections.abc import Iterator

from tests.support.attacks import frames
from tests.support.attacks.frames import CERTIFY, block, call, frame, headers, integer, literal
from tests.support.attacks.peer import Peer

_LIST = 15_900  # bytes of a list of headers, as HTTP/2 counts, just below what servers take


def continuations(peer: Peer) -> Iterator[bytes]:
    """A block that goes on and on, 16 KiB a frame."""
    yield headers(peer.ids.next(), frames.CERTIFY_BLOCK, flags=0)
    part = literal(b"a", b"b" * 16_000)
    while True:
        yield frame(frames.CONTINUATION, 0, 1, part)


def empty_continuations(peer: Peer) -> Iterator[bytes]:
    """A block that goes on and on, with nothing in its frames."""
    yield headers(peer.ids.next(), frames.CERTIFY_BLOCK, flags=0)
    yield from frames.repeated(frame(frames.CONTINUATION, 0, 1))


def few_continuations(peer: Peer) -> Iterator[bytes]:
    """Requests in 30 frames each, a byte or two a frame."""
    what = frames.CERTIFY_BLOCK
    parts = [what[at : at + 4] for at in range(4, len(what), 4)]
    while True:
        stream = peer.ids.next()
        middle = [frame(frames.CONTINUATION, 0, stream, part) for part in parts[:-1]]
        yield b"".join(
            [
                frame(frames.HEADERS, 0, stream, what[:4]),
                *middle,
                frame(frames.CONTINUATION, frames.END_HEADERS, stream, parts[-1]),
                frames.data(stream, frames.framed(frames.HELLO), end=True),
            ]
        )


def bomb(peer: Peer) -> Iterator[bytes]:
    """One header of 4,000 bytes kept in the table, and 16,000 references to it in a block: 64 MB
    of headers in 20 KB."""
    while True:
        large = literal(b"x", b"y" * 4000, indexed=True)
        yield headers(peer.ids.next(), frames.CERTIFY_BLOCK + large + b"\xbe" * 16_000, end=True)


def thrash(peer: Peer) -> Iterator[bytes]:
    """Requests that fill the table with new entries, each pushing out others."""
    number = 0
    while True:
        entries = bytearray()
        for _ in range(120):
            number += 1
            entries += literal(b"k%d" % number, b"v", indexed=True)
        yield call(peer.ids.next(), frames.CERTIFY_BLOCK + bytes(entries))


def table_size_changes(peer: Peer) -> Iterator[bytes]:
    """Requests that empty the table of headers again and again."""
    change = integer(0, 5, 0x20) + integer(4096, 5, 0x20)
    entry = literal(b"x", b"y", indexed=True)
    while True:
        yield b"".join(
            call(peer.ids.next(), change + frames.CERTIFY_BLOCK + entry) for _ in range(100)
        )


def long_lists(peer: Peer) -> Iterator[bytes]:
    """Whole requests with one header of almost 16 KiB."""
    what = block(CERTIFY, literal(b"x", b"y" * (_LIST - 400)))
    while True:
        yield call(peer.ids.next(), what)


def lists_of_many(peer: Peer) -> Iterator[bytes]:
    """Whole requests with 440 headers, a byte of the block each: 16 KiB in half a kilobyte."""
    yield call(peer.ids.next(), frames.CERTIFY_BLOCK + literal(b"x", b"y", indexed=True))
    while True:
        what = frames.CERTIFY_BLOCK + b"\xbe" * 440
        yield b"".join(call(peer.ids.next(), what) for _ in range(20))


def too_long_lists(peer: Peer) -> Iterator[bytes]:
    """Whole requests with a header of 20 KB."""
    what = block(CERTIFY, literal(b"x", b"y" * 20_000))
    while True:
        yield call(peer.ids.next(), what)


def broken(peer: Peer) -> Iterator[bytes]:
    """A block that is no HPACK."""
    yield headers(peer.ids.next(), b"\xff\xff\xff\xff\xff\xff", end=True)


def malformed(peer: Peer) -> Iterator[bytes]:
    """Requests with a header name in upper case, which is an error of the stream."""
    what = block(CERTIFY, literal(b"Upper", b"case"))
    while True:
        yield b"".join(call(peer.ids.next(), what) for _ in range(100))
