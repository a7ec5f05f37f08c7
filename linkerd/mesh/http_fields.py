"""What HTTP takes for a method and for the name and value of a header (RFC 9110, 5.6.2 and 5.5)."""

import re
from typing import Final

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


def is_token(text: str) -> bool:
    """Whether `text` can be a method or the name of a header."""
    return _TOKEN.fullmatch(text) is not None


def is_field_value(text: str) -> bool:
    """Whether `text` in UTF-8 can be the value of a header: there is no control character in it,
    but for tabs."""
    return _CONTROL.search(text) is None
