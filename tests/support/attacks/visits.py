"""Clients that come, do one thing and go, each on a connection of its own: what a blip of the
network makes of thousands of proxies."""

import contextlib
import socket
from collections.abc import Callable, Mapping
from typing import Final

from tests.support.attacks import frames
from tests.support.attacks.frames import (
    CERTIFY,
    CERTIFY_BLOCK,
    GET_BLOCK,
    FrameReader,
    block,
    call,
    data,
    framed,
    headers,
    literal,
    reset,
)

_SECONDS: Final = 10.0
_HELLO: Final = frames.PREFACE + frames.settings()


class Visitor:
    """A connection to 127.0.0.1:`port`, which begins as HTTP/2 does."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = FrameReader()
        self._heard: list[frames.Heard] = []
        self.say(_HELLO)

    def say(self, what: bytes) -> None:
        """Sends."""
        self._socket.sendall(what)

    def hear(self, kind: int, flags: int = 0) -> None:
        """Returns when a frame of a type has come with these flags. Raises OSError when the server
        is silent or closes first."""
        while True:
            for at, heard in enumerate(self._heard):
                if heard.kind == kind and heard.flags & flags == flags:
                    del self._heard[: at + 1]
                    return
            received = self._socket.recv(1 << 16)
            if not received:
                raise ConnectionError("the server has closed the connection")
            self._heard += self._frames.feed(received)

    def hear_out(self) -> None:
        """Returns when the server has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while self._socket.recv(1 << 16):
                pass

    def settle(self) -> None:
        """Returns when the server has taken in all that was said."""
        self.say(frames.frame(frames.PING, 0, 0, bytes(8)))
        self.hear(frames.PING, frames.ACK)

    def close(self) -> None:
        """Closes."""
        self.leave()

    def leave(self, *, rudely: bool = False) -> None:
        """Closes; `rudely` with a reset."""
        if rudely:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()


def _answered(request: bytes) -> Callable[[Visitor], None]:
    def visit(visitor: Visitor) -> None:
        visitor.say(request)
        visitor.hear(frames.HEADERS, frames.END_STREAM)
        visitor.leave()

    return visit


def _settled(request: bytes, *, rudely: bool = False) -> Callable[[Visitor], None]:
    def visit(visitor: Visitor) -> None:
        visitor.say(request)
        visitor.settle()
        visitor.leave(rudely=rudely)

    return visit


def _watched(*, rudely: bool) -> Callable[[Visitor], None]:
    def visit(visitor: Visitor) -> None:
        visitor.say(call(1, GET_BLOCK))
        visitor.hear(frames.DATA)
        visitor.leave(rudely=rudely)

    return visit


def _watched_and_reset(visitor: Visitor) -> None:
    visitor.say(call(1, GET_BLOCK))
    visitor.hear(frames.DATA)
    visitor.say(reset(1))
    visitor.settle()
    visitor.leave()


def _half_a_block(visitor: Visitor) -> None:
    visitor.settle()
    visitor.say(headers(1, CERTIFY_BLOCK, flags=0))
    visitor.leave()


def _broken(visitor: Visitor) -> None:
    visitor.say(frames.frame(frames.PING, 0, 0, bytes(7)))
    visitor.hear_out()
    visitor.leave()


def _asking(identity: bytes) -> bytes:
    return call(1, CERTIFY_BLOCK, b"\x0a" + bytes([len(identity)]) + identity)


VISITS: Final[Mapping[str, Callable[[Visitor], None]]] = {
    "served": _answered(call(1)),
    "refused": _answered(_asking(b"refuse")),
    "crashed": _answered(_asking(b"crash")),
    "undecodable": _answered(call(1, message=b"\xff\xff")),
    "no-such-method": _answered(headers(1, block(CERTIFY + "No"), end=True)),
    "no-message": _settled(headers(1, CERTIFY_BLOCK, end=True)),  # which gRPC core never answers
    "past-deadline": _answered(
        call(1, block(CERTIFY, literal(b"grpc-timeout", b"1m")), b"\x0a\x04wait")
    ),
    "over-the-limit": _answered(headers(1, CERTIFY_BLOCK) + data(1, b"\0" + (1 << 30).to_bytes(4))),
    "watching": _watched(rudely=False),
    "watching-then-lost": _watched(rudely=True),
    "watching-then-reset": _watched_and_reset,
    "waiting-then-lost": _settled(_asking(b"wait"), rudely=True),
    "waiting-then-reset": _settled(_asking(b"wait") + reset(1)),
    "half-a-request": _settled(headers(1, CERTIFY_BLOCK) + data(1, framed(bytes(1000))[:500])),
    "headers-alone": _settled(headers(1, CERTIFY_BLOCK), rudely=True),
    "half-a-block": _half_a_block,
    "broken": _broken,
    "silent": _settled(b""),
}
"""By what the client does, or what becomes of it."""


def visit(port: int, kind: str) -> None:
    """One client of a kind, from its coming to its going."""
    VISITS[kind](Visitor(port))
