"""Crowds: what each stream and each unfinished request may keep in memory, and that there are
descriptors left for probes however many clients come."""

import contextlib
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from tests.support.attacks.frames import CERTIFY, GET, block, call, headers, literal
from tests.support.attacks.trial import Target
from tests.support.attacks.visits import Visitor, visit
from tests.support.eventually import until

MIB = 1 << 20
STREAMS = 2000
HEADERS = literal(b"x", b"y" * 8192)
KEPT = {"h2": 4 << 10, "grpcio": 64 << 10}  # bytes a stream; gRPC core holds on to its headers
UNFINISHED = 6000
PENDING = 1000  # that may be unfinished
HELD = {"h2": 48 * MIB, "grpcio": 96 * MIB}  # bytes; gRPC core needs three times theirs
FILES = 200


@pytest.fixture
def come(server: Target) -> Iterator[Callable[[], Visitor]]:
    """Makes clients, which leave with the test."""
    with ExitStack() as clients:
        yield lambda: clients.enter_context(closing(Visitor(server.port)))


def ids(first: int, count: int) -> range:
    """The ids of the streams from the one with that number on."""
    return range(2 * first + 1, 2 * (first + count) + 1, 2)


def ping(server: Target) -> bytes:
    """What the admin server says to a liveness probe."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.admin}/ping", timeout=5) as answer:
        body: bytes = answer.read()
    return body


def test_streams_keep_no_headers(server: Target, engine: str, come: Callable[[], Visitor]) -> None:
    crowd = [come() for _ in range(4)]
    before = server.resident
    for first in range(0, STREAMS // len(crowd), 10):
        for client in crowd:
            client.say(b"".join(call(each, block(GET, HEADERS)) for each in ids(first, 10)))
            client.settle()
    until(lambda: server.ask("calls") == STREAMS, "the streams")
    assert (server.resident - before) / STREAMS < KEPT[engine]


def test_unfinished_requests_are_bounded(serving: Callable[..., Target], engine: str) -> None:
    """With 15 KiB of metadata each, on many connections; others are served meanwhile."""
    server = serving(max_pending_calls=PENDING)
    what = block(CERTIFY, literal(b"x", b"y" * (15 << 10)))
    before = server.resident
    with ExitStack() as clients:
        for _ in range(UNFINISHED // 1000):
            with contextlib.suppress(OSError):  # who sends too many may be hung up on
                client = clients.enter_context(closing(Visitor(server.port)))
                for first in range(0, 1000, 10):
                    client.say(b"".join(headers(each, what) for each in ids(first, 10)))
                    client.settle()
        assert server.resident - before < HELD[engine]
        visit(server.port, "served")


def test_descriptors_are_left_for_probes(serving: Callable[..., Target], engine: str) -> None:
    server = serving(files=FILES)
    with ExitStack() as clients:
        for _ in range(2 * FILES):
            with contextlib.suppress(OSError):  # turned away
                clients.enter_context(closing(Visitor(server.port)))
        until(lambda: server.connections > FILES // 4, "a crowd")
        if engine == "h2":  # gRPC core says nothing
            until(lambda: "too many connections" in server.log, "a line in the log")
        for _ in range(3):
            assert ping(server) == b"pong\n"
    assert len(server.log) < 4096
    until(lambda: server.connections == 0, "the end of the connections")
    visit(server.port, "served")
