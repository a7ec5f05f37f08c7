"""Protobuf messages made by joining parts that are encoded already.

On the wire a message is the concatenation of its fields, and a submessage is a tag, a length and
its bytes. So a set of a thousand endpoints can be put together from the bytes that each endpoint
was encoded to once, where a protobuf library would encode all of them again. The tests hold that
what comes out equals the library's own output.
"""

_LENGTH_DELIMITED = 2


def submessage(field: int, *parts: bytes) -> bytes:
    """The field `field` (1 to 15) that holds the message whose encoded fields are `parts`."""
    body = b"".join(parts)
    return bytes((field << 3 | _LENGTH_DELIMITED,)) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
