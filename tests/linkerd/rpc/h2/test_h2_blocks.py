"""Header blocks as the library decodes them, and WINDOW_UPDATEs as it reads them, whatever came
before."""

import pytest
from h2.exceptions import FrameTooLargeError, ProtocolError
from hpack import Decoder, Encoder, HPACKError
from hyperframe.frame import WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from linkerd.rpc.h2.blocks import BoundedDecoder, FrameBuffer, StatelessEncoder
from tests.support.http2 import frame

LIMIT = 16 << 10
NAMES = st.sampled_from(["a", "b", ":path", "te", "x-long-name"])
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from(["", "1", "2", "/web", "v" * 40])), max_size=8)


def outcome(decoder: Decoder, block: bytes) -> object:
    try:
        return [tuple(field) for field in decoder.decode(block, raw=True)]
    except HPACKError as error:
        return type(error)


@given(st.lists(st.tuples(FIELDS, st.sampled_from([None, None, None, 0, 60, 200, 4096]))))
def test_blocks_of_any_encoder(lists: list[tuple[list[tuple[str, str]], int | None]]) -> None:
    encoder, ours, librarys = Encoder(), BoundedDecoder(LIMIT), Decoder(LIMIT)
    for fields, table_size in lists:
        if table_size is not None:
            encoder.header_table_size = table_size
        for _ in range(2):
            block = encoder.encode(fields)
            assert outcome(ours, block) == outcome(librarys, block)


INDEXES = st.binary(max_size=6).map(lambda block: bytes(0x80 | byte for byte in block))


@given(st.lists(st.one_of(st.binary(max_size=12), INDEXES), max_size=12))
def test_any_bytes(blocks: list[bytes]) -> None:
    ours, librarys = BoundedDecoder(LIMIT), Decoder(LIMIT)
    for block in (block for block in blocks for _ in range(2)):
        expected = outcome(librarys, block)
        found = outcome(ours, block)
        if ours.resized > 2:  # what ours alone refuses
            return
        assert found == expected
        if isinstance(expected, type):
            return  # the connection ends


def test_a_repeated_block_is_decoded_once() -> None:
    encoder, decoder = Encoder(), BoundedDecoder(LIMIT)
    fields = [(":path", "/web"), ("te", "trailers")]
    decoder.decode(encoder.encode(fields), raw=True)
    first = decoder.decode(encoder.encode(fields), raw=True)
    assert decoder.decode(encoder.encode(fields), raw=True) is first


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
UPDATES = st.builds(
    lambda flags, stream, by: frame(8, flags, stream, by.to_bytes(4)),
    st.sampled_from([0, 1, 0xFF]),
    st.sampled_from([0, 1, 2**31 - 1, 2**31 + 5]),
    st.sampled_from([1, 1024, 2**31 - 1]),
)
OTHERS = st.sampled_from([frame(6, 0, 0, bytes(8)), frame(0, 0, 1, b"x"), frame(99, 0, 0)])


def taken(data: bytes, *, ours: bool) -> list[tuple[int, int] | type]:
    """Streams and increments of WINDOW_UPDATEs, and the types of other frames."""
    buffer = FrameBuffer(16384)
    buffer.add_data(PREFACE + data)
    found: list[tuple[int, int] | type] = []
    while True:
        if ours:
            found += buffer.updates()
        each = next(buffer, None)
        if each is None:
            return found
        if isinstance(each, WindowUpdateFrame):
            found.append((each.stream_id, each.window_increment))
        else:
            found.append(type(each))


@given(st.lists(st.one_of(UPDATES, OTHERS), max_size=150), st.integers(0, 12))
def test_updates_of_windows(frames: list[bytes], cut: int) -> None:
    data = b"".join(frames)
    data = data[: len(data) - cut]
    assert taken(data, ours=True) == taken(data, ours=False)


def test_only_whole_and_valid_updates_are_taken_together() -> None:
    valid = frame(8, 0, 1, b"\0\0\0\1")
    for other in (
        valid[:12],
        frame(8, 0, 1, bytes(4)),  # no room
        frame(8, 0, 1, b"\x80\0\0\1"),  # the library judges the reserved bit
        frame(8, 0, 1, b"\0\0\0\0\1"),
    ):
        buffer = FrameBuffer(16384)
        buffer.add_data(PREFACE + valid + other)
        assert buffer.updates() == [(1, 1)]
        assert not buffer.updates()


def test_no_updates_are_taken_within_a_header_block() -> None:
    buffer = FrameBuffer(16384)
    buffer.add_data(PREFACE + frame(1, 0, 1, b"\x83"))
    assert next(buffer, None) is None
    buffer.add_data(frame(8, 0, 1, b"\0\0\0\1"))
    assert not buffer.updates()
    with pytest.raises(ProtocolError):
        next(buffer)


def test_the_first_block_alone_says_that_there_is_no_table() -> None:
    for _ in range(2):  # connections
        encoder, decoder = StatelessEncoder(), Decoder(LIMIT)
        first, second = (encoder.encode([(b"grpc-status", b"0")]) for _ in range(2))
        assert first == b"\x20" + second
        for block in (first, second):
            assert [str(name) for name, _ in decoder.decode(block)] == ["grpc-status"]
        encoder.header_table_size = 4096  # as the peer offers
        assert encoder.encode([(b"grpc-status", b"0")]) == second


def test_a_frame_that_is_too_large_is_refused_as_it_begins() -> None:
    buffer = FrameBuffer(16384)
    buffer.add_data(PREFACE + b"\0\x40")
    buffer.check_begun()
    buffer.add_data(b"\0")  # 16,384 bytes
    buffer.check_begun()
    buffer = FrameBuffer(16384)
    buffer.add_data(PREFACE + b"\0\x40\1")
    with pytest.raises(FrameTooLargeError):
        buffer.check_begun()
