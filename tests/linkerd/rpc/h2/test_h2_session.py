"""Laws of a session, without sockets: whatever a client says, in whatever pieces.

What is held is what open requests hold. Every stream ends once. Both sides agree on every window.
The same bytes cost the same and get the same answers, however they are cut into reads and turns.
"""

import ast
import importlib.util
import math
import pkgutil
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from h2.settings import SettingCodes
from hypothesis import example, given, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from linkerd.rpc import h2
from linkerd.stubs.proxy import destination_pb2, identity_pb2
from tests.support.http2 import frame, framed
from tests.support.rpc import CERTIFY, GET, NumbersTopic
from tests.support.sessions import Dialogue, fields

MODULES = {f"linkerd.rpc.h2.{each.name}" for each in pkgutil.iter_modules(h2.__path__)}
DATA, HEADERS, RST_STREAM = 0, 1, 3
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
BODIES = {
    GET: framed(destination_pb2.GetDestination(path="web").SerializeToString()),
    CERTIFY: framed(identity_pb2.CertifyRequest(identity="web").SerializeToString()),
    "/wait": framed(identity_pb2.CertifyRequest(identity="wait").SerializeToString()),
    "/no.such/Method": framed(b""),
}
SIZES = st.sampled_from([1, 4, 5, 6, 100, 16384, 70_000])


class SessionMachine(RuleBasedStateMachine):
    """A client that does what clients may do, in any order."""

    unfinished: Bundle[tuple[int, str]] = Bundle("unfinished")
    whole: Bundle[int] = Bundle("whole")

    def __init__(self) -> None:
        super().__init__()
        self.talk = Dialogue()
        self.talk.world.topics["web"] = NumbersTopic(padding=20_000)
        self.opened = 0
        self.talk.settle()

    @rule(
        target=unfinished,
        path=st.sampled_from(list(BODIES)),
        padding=st.sampled_from(["", "x" * 3000]),
        timeout=st.sampled_from(["", "5S"]),
    )
    def open_stream(self, path: str, padding: str, timeout: str) -> tuple[int, str]:
        return self._open_stream(path, padding, timeout)

    def _open_stream(self, path: str, padding: str = "", timeout: str = "") -> tuple[int, str]:
        client = self.talk.client
        stream = client.get_next_available_stream_id()
        named = CERTIFY if path == "/wait" else path
        client.send_headers(stream, fields(named, x_padding=padding, grpc_timeout=timeout))
        self.opened += path != "/no.such/Method"
        self.talk.deliver()
        return stream, path

    @rule(target=whole, path=st.sampled_from(list(BODIES)), turn=st.booleans())
    def call(self, path: str, *, turn: bool) -> int:
        stream, _ = self._open_stream(path)
        self.talk.client.send_data(stream, BODIES[path], end_stream=True)
        self.talk.deliver()
        if turn:
            self.talk.turn()
        return stream

    @rule(stream=unfinished, size=st.sampled_from([1, 5, 300]))
    def send_a_part(self, stream: tuple[int, str], size: int) -> None:
        """Of a message that will have a megabyte."""
        if self._open(stream[0]):
            self.talk.client.send_data(stream[0], (b"\0\0\x0f\xff\xff" + bytes(size))[:size])
            self.talk.deliver()

    @rule(target=whole, stream=consumes(unfinished), good=st.booleans())
    def end_the_request(self, stream: tuple[int, str], *, good: bool) -> Any:
        number, path = stream
        if not self._open(number):
            return multiple()
        self.talk.client.send_data(number, BODIES[path] if good else b"", end_stream=True)
        self.talk.deliver()
        return number

    @rule(stream=consumes(unfinished))
    def reset_early(self, stream: tuple[int, str]) -> None:
        self.reset(stream[0])

    @rule(stream=consumes(whole))
    def reset(self, stream: int) -> None:
        if not self._over(stream):
            self.talk.client.reset_stream(stream)
            self.talk.deliver()

    @rule(stream=whole, size=SIZES)
    def make_room(self, stream: int, size: int) -> None:
        if not self._over(stream):
            self.talk.client.increment_flow_control_window(size, stream)
            self.talk.deliver()

    @rule(size=SIZES)
    def make_room_for_all(self, size: int) -> None:
        self.talk.client.increment_flow_control_window(size)
        self.talk.deliver()

    @rule(size=st.sampled_from([0, 5, 1000, 65535]))
    def change_the_first_window(self, size: int) -> None:
        self.talk.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.talk.deliver()

    @rule(numbers=st.frozensets(st.integers(0, 4)))
    def publish(self, numbers: frozenset[int]) -> None:
        self.talk.world.topics["web"].publish(numbers)

    @rule(frames=st.sampled_from([None, 1, 2, 5]), room=st.sampled_from([0, 1, 20_000, 1 << 30]))
    def turn(self, frames: int | None, room: int) -> None:
        self.talk.turn(frames=frames, room=room)

    @rule(seconds=st.sampled_from([1.0, 6.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.talk.timers.advance(seconds)

    @rule()
    def release(self) -> None:
        self.talk.released = True

    @rule()
    def sweep(self) -> None:
        self.talk.session.sweep()

    def _over(self, stream: int) -> bool:
        half = self.talk.client.streams.get(stream)
        return half is None or half.closed

    def _open(self, stream: int) -> bool:
        """Whether the client may still send on it."""
        return not self._over(stream)

    @invariant()
    def what_is_held_is_what_open_requests_hold(self) -> None:
        holding = [
            (each.receiving, each.call._headers)
            for each in self.talk.streams
            if each.receiving is not None
        ]
        assert self.talk.held.bytes == sum(
            len(request._body) + sum(150 + len(name) + len(value) for name, value in headers)
            for request, headers in holding
        )
        assert self.talk.held.unfinished == sum(request._open for request, _ in holding)

    @invariant()
    def streams_end_once(self) -> None:
        assert set(self.talk.ended.values()) <= {1}
        still = {each.id for each in self.talk.streams}
        assert not still & self.talk.ended.keys()

    def teardown(self) -> None:
        self.talk.settle()
        self.what_is_held_is_what_open_requests_hold()
        self._windows_agree()
        session = self.talk.session
        assert self.opened == len(self.talk.ended) + session.streams
        session.close()
        left = session.streams
        session.leave(self.talk.timers.time())
        assert session.streams == max(0, left - 1), "one, as there is no more time"
        session.leave(math.inf)
        assert self.opened == len(self.talk.ended)
        assert (self.talk.held.bytes, self.talk.held.unfinished) == (0, 0)
        assert self.talk.world.topics["web"].subscribers == 0
        assert len(self.talk.calls) == 0
        for job in self.talk.jobs:
            job.cancel()

    def _windows_agree(self) -> None:
        """Both sides have heard everything."""
        wire, client = self.talk.session._wire, self.talk.client
        assert wire.outbound_flow_control_window == client.inbound_flow_control_window
        for each in self.talk.streams:
            ours = wire.room(wire.streams[each.id])
            assert ours == client.remote_flow_control_window(each.id) or ours > (
                client.inbound_flow_control_window
            )


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


BLOCK = (
    b"\x83\x86\x04"
    + bytes([len(CERTIFY)])
    + CERTIFY.encode()
    + b"\x01\x04test\x0f\x10\x10application/grpc"
)


def told(said: bytes) -> dict[int, list[tuple[int, bytes]]]:
    """By stream: what its frames said, whatever came between them."""
    found: dict[int, list[tuple[int, bytes]]] = {}
    while said:
        end = 9 + int.from_bytes(said[:3])
        kind, stream, payload = said[3], int.from_bytes(said[5:9]), said[9:end]
        said = said[end:]
        frames = found.setdefault(stream, [])
        if kind == DATA and frames and frames[-1][0] == DATA:
            frames[-1] = (DATA, frames[-1][1] + payload)
        elif kind in {DATA, HEADERS, RST_STREAM}:
            # The first block of a connection also says that there is no table.
            frames.append((kind, payload.removeprefix(b"\x20") if kind == HEADERS else payload))
    return found


FRAMES = st.one_of(
    st.builds(lambda n, end: frame(1, 4 | end, n, BLOCK), st.integers(0, 5), st.integers(0, 1)),
    st.builds(
        lambda n, end, body: frame(0, end, n, body),
        st.sampled_from([1, 3, 5, 7]),
        st.integers(0, 1),
        st.sampled_from([b"", b"\0", BODIES[CERTIFY], BODIES["/wait"], BODIES[CERTIFY] * 2]),
    ),
    st.builds(lambda n: frame(3, 0, n, b"\0\0\0\x08"), st.sampled_from([1, 3, 5])),
    st.builds(
        lambda n, by: frame(8, 0, n, by.to_bytes(4)),
        st.sampled_from([0, 1, 3]),
        st.sampled_from([0, 1, 2**31 - 1]),
    ),
    st.just(frame(4, 0, 0, b"\0\4\0\0\0\5")),
    st.just(frame(4, 1, 0)),
    st.just(frame(6, 0, 0, bytes(8))),
    st.just(frame(2, 0, 1, b"\0\0\0\3\x0f")),
    st.just(frame(99, 0, 0, b"x")),
)


def renumbered(frames: list[bytes]) -> bytes:
    """New requests open the streams 1, 3, 5 and so on; the others are what they are."""
    found, stream = [], 1
    for each in frames:
        if each[3] == 1:
            each = each[:5] + stream.to_bytes(4) + each[9:]
            stream += 2
        found.append(each)
    return b"".join(found)


TOO_MUCH_ROOM = [frame(8, 0, 0, (2**31 - 1).to_bytes(4))] * 4
CUTS = st.lists(st.integers(0, 2000), max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.lists(FRAMES, max_size=25), CUTS, st.lists(st.integers(0, 3), min_size=9, max_size=9))
@example(TOO_MUCH_ROOM, [len(PREFACE) + 9 + 13], [3] * 9)
def test_the_same_bytes_cost_and_answer_the_same(
    frames: list[bytes], cuts: list[int], turns: list[int]
) -> None:
    """While nothing is answered: an answer changes what later frames are about."""
    raw = PREFACE + frame(4, 0, 0) + renumbered(frames)
    cuts = sorted(cut % (len(raw) + 1) for cut in cuts)
    at_once, in_pieces = Dialogue(), Dialogue()
    at_once.session.receive(raw)
    said = {at_once: at_once.turn(room=0, heard=False), in_pieces: b""}
    for begin, end, turn in zip([0, *cuts], [*cuts, len(raw)], turns, strict=False):
        in_pieces.session.receive(raw[begin:end])
        said[in_pieces] += in_pieces.turn(frames=turn, room=0, heard=False)
    said[in_pieces] += in_pieces.turn(room=0, heard=False)
    for talk in said:
        for _ in range(30):
            said[talk] += talk.turn(heard=False)
    assert at_once.session.over == in_pieces.session.over
    assert at_once.session._flood_meter.spent == in_pieces.session._flood_meter.spent
    if not at_once.session.over:
        assert told(said[at_once]) == told(said[in_pieces])
    for talk in said:
        talk.session.close()
        talk.session.leave(math.inf)
        for job in talk.jobs:
            job.cancel()


def imported(name: str) -> set[str]:
    """The modules that a module imports."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    found = set[str]()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text())):
        if isinstance(node, ast.ImportFrom):
            package = node.module or ""
            found |= {package, *(f"{package}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found


def test_a_session_knows_no_io() -> None:
    """What it is made of imports neither sockets nor an event loop nor a clock."""
    ours, waiting = set[str](), {"linkerd.rpc.h2.session"}
    while waiting:
        name = waiting.pop()
        ours.add(name)
        names = imported(name)
        assert not names & {"asyncio", "socket", "time", "uvloop"}, name
        waiting |= {each for each in names - ours if each in MODULES}
    assert len(ours) > 10
