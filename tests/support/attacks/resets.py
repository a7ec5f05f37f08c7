"""Streams that end as soon as they begin: by the client's reset, and by errors that have the server
reset them, which counts as nobody's."""

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
    window_update,
)
from tests.support.attacks.peer import Peer

_AT_ONCE = 50


def _each(peer: Peer, request: Callable[[int], bytes], room: int = 0) -> Iterator[bytes]:
    """`request` of ever new streams, without end; `room`: how much DATA of theirs is in it."""
    while True:
        peer.room(0, _AT_ONCE * room)
        yield b"".join(request(peer.ids.next()) for _ in range(_AT_ONCE))


_SIZE = len(framed(HELLO))


def rapid(peer: Peer) -> Iterator[bytes]:
    """Requests, each reset in the same breath."""
    return _each(peer, lambda stream: headers(stream, CERTIFY_BLOCK, end=True) + reset(stream))


def rapid_calls(peer: Peer) -> Iterator[bytes]:
    """Whole calls, each reset in the same breath."""
    return _each(peer, lambda stream: call(stream, GET_BLOCK) + reset(stream), _SIZE)


def no_increment(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: a WINDOW_UPDATE of nothing."""
    return _each(peer, lambda i: call(i, GET_BLOCK) + window_update(i, 0), _SIZE)


def overflow(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: a window beyond what windows may have."""
    return _each(peer, lambda i: call(i, GET_BLOCK) + window_update(i, 2**31 - 1), _SIZE)


def late_data(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: DATA behind the end of the request."""
    return _each(peer, lambda i: call(i, GET_BLOCK) + data(i, b"x"), _SIZE + 1)


def late_headers(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: HEADERS behind the end of the request."""
    return _each(peer, lambda i: call(i, GET_BLOCK) + headers(i, CERTIFY_BLOCK, end=True), _SIZE)


def self_dependency(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: a stream that depends on itself."""
    return _each(
        peer,
        lambda i: call(i, GET_BLOCK) + frame(frames.PRIORITY, 0, i, i.to_bytes(4) + b"\x0f"),
        _SIZE,
    )


def short_priority(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: a PRIORITY of the wrong size."""
    return _each(peer, lambda i: call(i, GET_BLOCK) + frame(frames.PRIORITY, 0, i, b"123"), _SIZE)


def wrong_length(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: more DATA than `content-length` says."""
    what = block(CERTIFY, literal(b"content-length", b"1"))
    return _each(peer, lambda stream: call(stream, what), _SIZE)


def unended_trailers(peer: Peer) -> Iterator[bytes]:
    """MadeYouReset: trailers that do not end the request."""
    return _each(
        peer,
        lambda i: headers(i, GET_BLOCK) + data(i, framed(HELLO)) + headers(i, literal(b"a", b"b")),
        _SIZE,
    )


def resets_of_closed(peer: Peer) -> Iterator[bytes]:
    """RST_STREAM on a stream that is long over."""
    stream = peer.ids.next()
    yield headers(stream, CERTIFY_BLOCK, end=True) + reset(stream)
    yield from frames.repeated(reset(stream))


def resets_of_idle(_peer: Peer) -> Iterator[bytes]:
    """RST_STREAM on a stream that never was."""
    yield reset(99)


def frames_on_reset(peer: Peer) -> Iterator[bytes]:
    """DATA and WINDOW_UPDATE on streams that are reset."""
    while True:
        stream = peer.ids.next()
        yield headers(stream, CERTIFY_BLOCK) + reset(stream)
        late = (data(stream, b"x") + window_update(stream, 1)) * 200
        for _ in range(10):
            peer.room(0, 200)
            yield late


def headers_on_reset(peer: Peer) -> Iterator[bytes]:
    """HEADERS on streams that are reset."""
    while True:
        stream = peer.ids.next()
        yield headers(stream, CERTIFY_BLOCK) + reset(stream)
        yield headers(stream, CERTIFY_BLOCK, end=True) * 100
