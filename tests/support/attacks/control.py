"""Floods of frames that are about the connection, or about nothing."""

from collections.abc import Iterator

from tests.support.attacks import frames
from tests.support.attacks.frames import (
    CERTIFY_BLOCK,
    GET_BLOCK,
    data,
    frame,
    headers,
    repeated,
    settings,
    window_update,
)
from tests.support.attacks.peer import Peer


def pings(_peer: Peer) -> Iterator[bytes]:
    """Each to be answered."""
    return repeated(frame(frames.PING, 0, 0, bytes(8)))


def ping_acks(_peer: Peer) -> Iterator[bytes]:
    """Answers to nothing."""
    return repeated(frame(frames.PING, frames.ACK, 0, bytes(8)))


def empty_settings(_peer: Peer) -> Iterator[bytes]:
    """Each to be acknowledged."""
    return repeated(settings())


def settings_acks(_peer: Peer) -> Iterator[bytes]:
    """Acknowledgements of nothing."""
    return repeated(frame(frames.SETTINGS, frames.ACK, 0))


def full_settings(_peer: Peer) -> Iterator[bytes]:
    """Frames of 2,730 entries."""
    return repeated(settings(*[(frames.INITIAL_WINDOW_SIZE, 65535), (5, 16384)] * 1365))


def settings_under_streams(peer: Peer) -> Iterator[bytes]:
    """Changes of all windows, with 10,000 streams open."""
    for _ in range(100):
        yield b"".join(frames.call(peer.ids.next(), GET_BLOCK) for _ in range(100))
    peer.rest(0.1)
    change = [settings((frames.INITIAL_WINDOW_SIZE, size)) for size in (65534, 65535)]
    yield from repeated(b"".join(change))


def table_sizes(_peer: Peer) -> Iterator[bytes]:
    """SETTINGS that change the size of the table of headers."""
    return repeated(settings((1, 0)) + settings((1, 4096)))


def priorities(peer: Peer) -> Iterator[bytes]:
    """Of a stream that is idle."""
    return repeated(frame(frames.PRIORITY, 0, peer.ids.next(), b"\0\0\0\0\x0f"))


def spread_priorities(_peer: Peer) -> Iterator[bytes]:
    """Of ever new streams that are idle."""
    for first in range(1, 2**31 - 2000, 2000):
        ids = range(first, first + 2000, 2)
        yield b"".join(frame(frames.PRIORITY, 0, each, b"\0\0\0\0\x0f") for each in ids)


def unknown_frames(_peer: Peer) -> Iterator[bytes]:
    """Of a type that nobody knows."""
    return repeated(frame(99, 0, 0))


def goaways(_peer: Peer) -> Iterator[bytes]:
    """Good-byes, without going."""
    return repeated(frame(frames.GOAWAY, 0, 0, bytes(8)))


def tiny_updates(_peer: Peer) -> Iterator[bytes]:
    """WINDOW_UPDATEs of 1 byte for the connection."""
    return repeated(window_update(0, 1))


def stream_updates(peer: Peer) -> Iterator[bytes]:
    """WINDOW_UPDATEs of 1,024 bytes for a stream that has nothing to send."""
    while True:
        stream = peer.ids.next()
        yield frames.call(stream, GET_BLOCK)
        for _ in range(800):
            yield window_update(stream, 1024) * 1000


def empty_data(peer: Peer) -> Iterator[bytes]:
    """DATA without bytes on an open stream."""
    stream = peer.ids.next()
    yield headers(stream, CERTIFY_BLOCK)
    yield from repeated(data(stream))


def one_byte_data(peer: Peer) -> Iterator[bytes]:
    """Messages of 500,000 bytes, byte by byte."""
    while True:
        stream = peer.ids.next()
        yield headers(stream, CERTIFY_BLOCK) + data(stream, b"\0" + (500_000).to_bytes(4))
        chunk = data(stream, b"x") * 500
        for _ in range(999):
            peer.room(stream, 500)
            yield chunk
        yield frames.reset(stream)
        peer.forget(stream)


def padded_data(peer: Peer) -> Iterator[bytes]:
    """DATA of nothing but padding."""
    stream = peer.ids.next()
    yield headers(stream, CERTIFY_BLOCK)
    chunk = frame(frames.DATA, frames.PADDED, stream, b"\xff" + bytes(255)) * 40
    while True:
        peer.room(stream, 256 * 40)
        yield chunk
