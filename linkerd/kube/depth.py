"""A guard against JSON that is nested deeper than a decoder can follow.

Custom resources with schema-free parts (ServiceProfile conditions) accept nesting to a depth of
thousands from anybody who may write them. Decoders stop at about a thousand levels, even in parts
that they only skip, so one such object would make a whole list undecodable. `prune` cuts what lies
too deep, and it is called only after a decoder has given up.
"""

import re
from typing import Final

MAX_DEPTH: Final = 100  # levels; no object that we read comes near

# A number where a nested value was: a Struct that wanted the value rejects the object as malformed,
# anything else ignores it. Never null, which would read as "absent" and change the meaning.
_CUT: Final = b"0"
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def prune(document: bytes, max_depth: int = MAX_DEPTH) -> bytes:
    """The document with every object or array below `max_depth` levels replaced by a number."""
    kept: list[bytes] = []
    depth = resume = 0
    for token in _TOKENS.finditer(document):
        mark = document[token.start()]
        if mark in b"[{":
            depth += 1
            if depth == max_depth + 1:
                kept += (document[resume : token.start()], _CUT)
        elif mark in b"]}":
            depth -= 1
            if depth == max_depth:
                resume = token.end()
    kept.append(document[resume:])
    return b"".join(kept)
