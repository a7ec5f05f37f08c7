"""Peers that take their time: slow to speak, slow to read, and never done."""

from collections.abc import Iterator

from tests.support.attacks import frames
from tests.support.attacks.frames import (
    CERTIFY,
    CERTIFY_BLOCK,
    block,
    call,
    frame,
    headers,
    settings,
    window_update,
)
from tests.support.attacks.peer import Peer

_STREAMS = 100
LARGE = frames.block("/io.linkerd.proxy.destination.Destination/GetProfile")
"""Of the method whose first message is large."""


def window_of_0(peer: Peer) -> Iterator[bytes]:
    """Streams that are owed a large message and give no room for a byte of it."""
    yield settings((frames.INITIAL_WINDOW_SIZE, 0))
    yield b"".join(call(peer.ids.next(), LARGE) for _ in range(_STREAMS))
    peer.rest(60)


def window_of_1(peer: Peer) -> Iterator[bytes]:
    """Streams that are owed a large message and take it byte by byte."""
    yield settings((frames.INITIAL_WINDOW_SIZE, 1))
    ids = [peer.ids.next() for _ in range(_STREAMS)]
    yield b"".join(call(each, LARGE) for each in ids)
    chunk = b"".join(window_update(each, 1) for each in ids)
    while True:
        yield chunk


def window_of_1024(peer: Peer) -> Iterator[bytes]:
    """Streams that are owed large messages and take them a kilobyte at a time."""
    yield settings((frames.INITIAL_WINDOW_SIZE, 1024))
    ids = [peer.ids.next() for _ in range(_STREAMS)]
    yield b"".join(call(each, LARGE) for each in ids)
    chunk = b"".join(window_update(each, 1024) + window_update(0, 1024) for each in ids)
    while True:
        yield chunk


def unread_answers(peer: Peer) -> Iterator[bytes]:
    """Asks and asks and reads none of the answers; `reads` of the kind is False."""
    what = block(CERTIFY.replace("Certify", "Nothing"))
    while True:
        yield b"".join(headers(peer.ids.next(), what, end=True) for _ in range(100))


def unread_pongs(_peer: Peer) -> Iterator[bytes]:
    """PINGs, and reads none of the answers."""
    return frames.repeated(frame(frames.PING, 0, 0, bytes(8)))


def unread_messages(peer: Peer) -> Iterator[bytes]:
    """Gives all the room there may be, asks for large messages, and reads none."""
    yield settings((frames.INITIAL_WINDOW_SIZE, 2**31 - 1)) + window_update(0, 2**31 - 1 - 65535)
    yield b"".join(call(peer.ids.next(), LARGE) for _ in range(_STREAMS))
    peer.rest(60)


def slow_headers(peer: Peer) -> Iterator[bytes]:
    """A block of headers, a byte every while."""
    yield frame(frames.HEADERS, 0, peer.ids.next(), CERTIFY_BLOCK[:1])
    for byte in CERTIFY_BLOCK[1:]:
        peer.rest(0.05)
        yield frame(frames.CONTINUATION, 0, 1, bytes([byte]))
    peer.rest(60)


def slow_frames(peer: Peer) -> Iterator[bytes]:
    """The bytes of a request, one every while."""
    for byte in call(peer.ids.next()):
        peer.rest(0.05)
        yield bytes([byte])
    peer.rest(60)


def half_closed(peer: Peer) -> Iterator[bytes]:
    """Asks for something that lasts, and says that nothing more will come."""
    yield b"".join(call(peer.ids.next(), frames.GET_BLOCK) for _ in range(100))
    peer.half_close()
    peer.rest(60)


def silent(peer: Peer) -> Iterator[bytes]:
    """Says nothing behind its SETTINGS."""
    yield b""
    peer.rest(60)


def coming_and_going(peer: Peer) -> Iterator[bytes]:
    """One call and gone, on ever new connections; `leaves` of the kind is True."""
    yield call(peer.ids.next())
    peer.until_heard(frames.HEADERS, 1)


def gone_at_once(peer: Peer) -> Iterator[bytes]:
    """Calls, and gone before there is an answer, on ever new connections."""
    yield b"".join(call(peer.ids.next(), frames.GET_BLOCK) for _ in range(100))


def other_protocol(_peer: Peer) -> Iterator[bytes]:
    """HTTP/1.1; `preface` of the kind is False."""
    yield b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
