"""Requests are refused as the library refuses them, however often their headers come, and answers
begin as it begins them."""

from typing import Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from linkerd.rpc.h2.headers import RESPONSE
from linkerd.rpc.h2.wire import Wire
from tests.support.http2 import frame

Fields = list[tuple[str, str]]

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
GOOD: Final = [
    *((":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "a")),
    ("te", "trailers"),
]
ODD: Final = st.sampled_from(
    [
        *(
            (":method", "GET"),
            (":path", ""),
            (":path", "/x"),
            (":status", "200"),
            (":authority", "a"),
            (":odd", "1"),
        ),
        *(("te", "gzip"), ("connection", "close"), ("Upper", "1"), ("", "1"), ("a", " 1")),
        *(("host", "b"), ("host", "a"), ("content-length", "5"), ("a", "1"), ("a", "1\r\nb: 2")),
    ]
)
REQUESTS: Final = st.lists(
    st.tuples(
        st.lists(ODD, max_size=2),  # beside what a request must have
        st.booleans(),  # in front
        st.booleans(),  # the same again, as trailers
        st.integers(1, 3),  # times
    ),
    max_size=6,
)


def _frames(encoder: Encoder, fields: Fields, stream: int, *, trailers: bool) -> list[bytes]:
    block = encoder.encode(fields)
    opened = frame(1, 0x4, stream, block)
    return [opened, frame(1, 0x5, stream, block)] if trailers else [opened]


def _ours(wire: Wire, data: bytes) -> str:
    wire.incoming_buffer.add_data(data)
    try:
        while (each := wire.next_frame()) is not None:
            wire.take(each)
    except ProtocolError as error:
        return type(error).__name__
    return ""


def _librarys(connection: H2Connection, data: bytes) -> str:
    try:
        connection.receive_data(data)
    except ProtocolError as error:
        return type(error).__name__
    return ""


def _library() -> H2Connection:
    config = H2Configuration(
        client_side=False, header_encoding=None, normalize_inbound_headers=False
    )
    connection = H2Connection(config)
    connection.initiate_connection()
    return connection


@given(REQUESTS)
def test_requests_of_any_kind(requests: list[tuple[Fields, bool, bool, int]]) -> None:
    wire, library, encoder, stream = Wire(1_000), _library(), Encoder(), 1
    wire.initiate_connection()
    assert _ours(wire, PREFACE) == _librarys(library, PREFACE) == ""
    for more, in_front, trailers, times in requests:
        fields = [*more, *GOOD] if in_front else [*GOOD, *more]
        for _ in range(times):
            for each in _frames(encoder, fields, stream, trailers=trailers):
                said = _ours(wire, each)
                assert said == _librarys(library, each)
                if said:
                    return  # the connection ends
            stream += 2


def test_headers_that_were_good_once_are_not_looked_at_again() -> None:
    wire, encoder = Wire(1_000), Encoder()
    wire.initiate_connection()
    _ours(wire, PREFACE)
    vouched = []
    for stream in (1, 3, 5):
        assert not _ours(wire, frame(1, 0x4, stream, encoder.encode(GOOD)))
        vouched.append(wire.decoder.vouched)
    assert vouched == [False, False, True]  # the first block fills the table


def test_an_answer_begins_with_the_bytes_of_the_library() -> None:
    ours, same = Wire(1_000), Wire(1_000)
    for wire in (ours, same):
        wire.initiate_connection()
        _ours(wire, PREFACE + frame(1, 0x4, 1, Encoder().encode(GOOD)))
        wire.data_to_send()
    same.send_headers(1, RESPONSE)
    assert ours.answer(ours.streams[1]) == same.data_to_send()
    for wire in (ours, same):
        wire.send_headers(1, [(b"grpc-status", b"0")], end_stream=True)
    assert ours.data_to_send() == same.data_to_send()
