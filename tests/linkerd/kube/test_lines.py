"""Any chunking of a stream gives the same lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.errors import ProtocolError
from linkerd.kube.lines import LineSplitter

LIMIT = 1 << 22
_STREAMS = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"{}", b"\r"])).map(b"".join)


@given(_STREAMS, st.data())
def test_chunking_does_not_matter(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream))).map(sorted))
    splitter = LineSplitter(LIMIT)
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    lines = [line for chunk in chunks for line in splitter.feed(chunk)]
    *complete, rest = stream.split(b"\n")
    assert lines == [line for line in complete if line]
    assert splitter.pending == len(rest)


def test_a_line_may_be_larger_than_any_buffer() -> None:
    splitter = LineSplitter(LIMIT)
    chunk = b"x" * 65536
    for _ in range(40):
        assert splitter.feed(chunk) == []
    (line,) = splitter.feed(b"\n")
    assert len(line) == 40 * 65536


def test_a_line_without_end_is_refused() -> None:
    splitter = LineSplitter(limit=10)
    assert splitter.feed(b"12345") == []
    with pytest.raises(ProtocolError, match="longer than 10 bytes"):
        splitter.feed(b"678901")
