"""How many bytes of memory a decoded value takes, nearly.

Values that several objects share are counted for each; what they make elsewhere is not counted.
"""

from sys import getsizeof
from typing import Any, Final

import msgspec

_SMALL: Final = (int, float, bool, type(None))


def weigh(value: Any) -> int:
    """Bytes of a tree of Structs, mappings, tuples and strings."""
    if isinstance(value, str | bytes):
        return getsizeof(value)
    if isinstance(value, _SMALL):
        return 0
    size = getsizeof(value)
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            size += weigh(getattr(value, name))
    elif isinstance(value, dict):
        for key, item in value.items():
            size += weigh(key) + weigh(item)
    else:
        for item in value:
            size += weigh(item)
    return size
