"""gRPC's headers and the framing of requests, as values."""

import grpc
import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from linkerd.rpc.body import Body
from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2.headers import metadata_of, request_of, status
from linkerd.rpc.h2.wire import Wire
from tests.support.http2 import framed

BASE = [(b":method", b"POST"), (b":path", b"/a/B"), (b"content-type", b"application/grpc")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"250m", 0.25), (b"5u", 5e-6), (b"0n", 0)],
)
def test_timeouts(text: bytes, seconds: float) -> None:
    assert request_of([*BASE, (b"grpc-timeout", text)]).timeout == pytest.approx(seconds)


@pytest.mark.parametrize("text", [b"", b"1", b"S", b"123456789S", b"-1S", b"1s", b"1S "])
def test_malformed_timeouts(text: bytes) -> None:
    with pytest.raises(RpcError, match="grpc-timeout"):
        request_of([*BASE, (b"grpc-timeout", text)])


def test_metadata_is_what_is_not_the_transports() -> None:
    sent = [*BASE, (b"te", b"trailers"), (b"zone", b"a"), (b"user-agent", b"x"), (b"zone", b"b")]
    assert metadata_of(request_of(sent).metadata) == {"zone": "b", "user-agent": "x"}


@pytest.mark.parametrize(
    ("value", "read"),
    [(b"AA==", b"\0"), (b"AA", b"\0"), (b"AA,AQ", b"\1"), (b"", b""), (b"!", None)],
)
def test_binary_metadata(value: bytes, read: bytes | None) -> None:
    assert metadata_of([(b"x-bin", value)]).get("x-bin") == read


@given(st.text())
def test_messages_of_a_status_are_printable_ascii(message: str) -> None:
    end = dict(status(grpc.StatusCode.NOT_FOUND, message, answered=True))
    assert end[b"grpc-status"] == b"5"
    assert all(0x20 <= byte < 0x7F for byte in end.get(b"grpc-message", b""))


@given(st.lists(st.binary(max_size=30), max_size=5), st.data())
def test_messages_come_whole_however_they_are_cut(
    messages: list[bytes], data: st.DataObject
) -> None:
    raw = b"".join(map(framed, messages))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    body, taken = Body(30), []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        body.feed(raw[start:end])
        while (message := body.take()) is not None:
            taken.append(message)
    assert taken == messages
    assert len(body) == 0


def test_header_blocks_need_no_table_and_the_first_says_so() -> None:
    headers = [(b":status", b"200"), (b"grpc-status", b"0"), (b"new", b"value")]
    encoder, decoder = Wire(1).encoder, Decoder()
    first = encoder.encode(headers)
    assert first[0] == 0x20  # "the table has size 0"
    encoder.header_table_size = 1 << 16  # what a peer's SETTINGS come to
    assert [encoder.encode(headers) for _ in range(2)] == [first[1:], first[1:]]
    for block in (first, first[1:]):
        assert [tuple(pair) for pair in decoder.decode(block, raw=True)] == headers


def test_a_message_over_the_limit_is_refused_by_its_length() -> None:
    body = Body(10)
    body.feed(framed(bytes(10)))
    assert len(body.take() or b"") == 10
    with pytest.raises(RpcError) as caught:
        body.feed(b"\0\0\0\0\x0b")
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
