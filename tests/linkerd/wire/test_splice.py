"""Joined bytes equal what the protobuf library makes of the same."""

from hypothesis import given
from hypothesis import strategies as st

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.wire.splice import submessage


@given(st.binary(max_size=70_000), st.integers(1, 15))
def test_a_field_of_any_length(body: bytes, number: int) -> None:
    encoded = submessage(number, body[: len(body) // 2], body[len(body) // 2 :])
    assert encoded[0] == number << 3 | 2
    assert encoded.endswith(body)
    text = pb.PathMatch(regex="x" * len(body)).SerializeToString()
    assert not body or submessage(1, b"x" * len(body)) == text
