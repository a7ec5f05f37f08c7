"""Header blocks as the library decodes them, whatever came before."""

from hpack import Decoder, Encoder, HPACKError
from hypothesis import given
from hypothesis import strategies as st

from linkerd.rpc.h2.blocks import BoundedDecoder

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
