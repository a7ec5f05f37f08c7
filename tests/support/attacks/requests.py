"""Floods of requests: right ones, wrong ones, and such as never come to an end."""

from collections.abc import Callable, Iterator

from tests.support.attacks import frames
from tests.support.attacks.frames import (
    CERTIFY,
    CERTIFY_BLOCK,
    GET_BLOCK,
    HELLO,
    block,
    call,
    data,
    frame,
    framed,
    headers,
    literal,
    reset,
)
from tests.support.attacks.peer import Peer


def _each(peer: Peer, request: Callable[[int], bytes]) -> Iterator[bytes]:
    """`request` of ever new streams, without end."""
    while True:
        yield b"".join(request(peer.ids.next()) for _ in range(100))


def valid(peer: Peer) -> Iterator[bytes]:
    """Whole unary calls, each served, with messages of a hundred bytes, as proxies' are."""
    return _valid(peer, b"\x0a\x60" + b"x" * 96)


def tiny(peer: Peer) -> Iterator[bytes]:
    """Whole unary calls, each served, so small that a window has room for 8,000 of them."""
    return _valid(peer, HELLO)


def _valid(peer: Peer, message: bytes) -> Iterator[bytes]:
    while True:
        peer.room(0, 100 * len(framed(message)))
        yield b"".join(call(peer.ids.next(), message=message) for _ in range(100))


def watches(peer: Peer) -> Iterator[bytes]:
    """Watching calls, each of which stays open."""
    body = framed(HELLO)
    while True:
        peer.room(0, 100 * len(body))
        yield b"".join(call(peer.ids.next(), GET_BLOCK) for _ in range(100))


def no_such_method(peer: Peer) -> Iterator[bytes]:
    """Of a service that is there."""
    what = block(CERTIFY.replace("Certify", "Nothing"))
    return _each(peer, lambda stream: headers(stream, what, end=True))


def no_grpc(peer: Peer) -> Iterator[bytes]:
    """GET, as browsers do."""
    what = block("/", content_type=b"text/html", post=False)
    return _each(peer, lambda stream: headers(stream, what, end=True))


def no_message(peer: Peer) -> Iterator[bytes]:
    """Calls that end behind their headers."""
    return _each(peer, lambda stream: headers(stream, CERTIFY_BLOCK, end=True))


def broken_messages(peer: Peer) -> Iterator[bytes]:
    """Messages that cannot be decoded."""
    body = framed(b"\xff\xff\xff")
    while True:
        peer.room(0, 100 * len(body))
        yield b"".join(call(peer.ids.next(), message=b"\xff\xff\xff") for _ in range(100))


def compressed(peer: Peer) -> Iterator[bytes]:
    """Messages that say they are compressed."""
    body = framed(HELLO, compressed=1)
    while True:
        peer.room(0, 100 * len(body))
        ids = [peer.ids.next() for _ in range(100)]
        yield b"".join(headers(i, CERTIFY_BLOCK) + data(i, body, end=True) for i in ids)


def over_the_limit(peer: Peer) -> Iterator[bytes]:
    """Messages that announce a gigabyte."""
    body = b"\0" + (1 << 30).to_bytes(4)
    while True:
        peer.room(0, 100 * len(body))
        ids = [peer.ids.next() for _ in range(100)]
        yield b"".join(headers(i, CERTIFY_BLOCK) + data(i, body) for i in ids)


def large_messages(peer: Peer) -> Iterator[bytes]:
    """Calls of 900 KB, which the answer repeats."""
    size = 900_000
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])  # of the field
    body = framed(b"\x0a" + length + b"x" * size)
    while True:
        stream = peer.ids.next()
        yield headers(stream, CERTIFY_BLOCK)
        for at in range(0, len(body), 16384):
            part = body[at : at + 16384]
            peer.room(stream, len(part))
            yield data(stream, part, end=at + 16384 >= len(body))
        peer.forget(stream)


def deadlines(peer: Peer) -> Iterator[bytes]:
    """Calls whose deadline is a nanosecond away."""
    what = block(CERTIFY, literal(b"grpc-timeout", b"1n"))
    return _each(peer, lambda stream: headers(stream, what))


def trailers(peer: Peer) -> Iterator[bytes]:
    """Whole calls that end with trailers of 440 headers."""
    yield call(peer.ids.next(), CERTIFY_BLOCK + literal(b"x", b"y", indexed=True))
    body = framed(HELLO)
    while True:
        peer.room(0, 20 * len(body))
        ids = [peer.ids.next() for _ in range(20)]
        yield b"".join(
            headers(i, CERTIFY_BLOCK) + data(i, body) + headers(i, b"\xbe" * 440, end=True)
            for i in ids
        )


def unfinished(peer: Peer) -> Iterator[bytes]:
    """Calls with 15 KiB of metadata that never send their message."""
    what = block(CERTIFY, literal(b"x", b"y" * 15_000))
    while True:
        yield headers(peer.ids.next(), what)


def partial_bodies(peer: Peer) -> Iterator[bytes]:
    """Calls that send 60 KB of a message and are reset then."""
    body = b"\0" + (1_000_000).to_bytes(4) + bytes(60_000)
    parts = [body[at : at + 16_000] for at in range(0, len(body), 16_000)]
    while True:
        stream = peer.ids.next()
        yield headers(stream, CERTIFY_BLOCK)
        for part in parts:
            peer.room(stream, len(part))
            yield data(stream, part)
        yield reset(stream)
        peer.forget(stream)


def kept_bodies(peer: Peer) -> Iterator[bytes]:
    """Calls that send 60 KB of a message and wait."""
    body = b"\0" + (1_000_000).to_bytes(4) + bytes(60_000)
    parts = [body[at : at + 16_000] for at in range(0, len(body), 16_000)]
    while True:
        stream = peer.ids.next()
        yield headers(stream, CERTIFY_BLOCK)
        for part in parts:
            peer.room(stream, len(part))
            yield data(stream, part)


def pushes(peer: Peer) -> Iterator[bytes]:
    """What only servers may send."""
    yield frame(frames.PUSH_PROMISE, frames.END_HEADERS, 1, b"\0\0\0\2" + CERTIFY_BLOCK)
