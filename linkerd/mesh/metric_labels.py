"""Metric labels, such that proxies can write them into their metrics.

They write names and values as they hear them, without escapes, so a quote or a line end in one
label makes all metrics of every proxy that hears of it unreadable.
"""

import re
from typing import Final

_NAME: Final = re.compile(r"[a-z0-9_]{1,253}", re.ASCII)
_SPOILS: Final = re.compile(r'["\\\x00-\x1f\x7f]')
_MAX_VALUE: Final = 253  # no name in Kubernetes is longer


def is_label_name(text: str) -> bool:
    """Whether `text`, in lower case, may be the name of a label."""
    return _NAME.fullmatch(text) is not None


def label_value(text: str) -> str:
    """`text`, as the value of a label: an underscore for each character that spoils metrics, and
    no longer than a name can be."""
    return _SPOILS.sub("_", text[:_MAX_VALUE])
