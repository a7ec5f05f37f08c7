"""The smallest rules of what proxies take: names, labels. `proxy_rules` and `profile_rules` are
made of these."""

import re
from collections.abc import Mapping
from typing import Final

MAX_MESSAGE: Final = 4 << 20
"""Bytes; what a proxy's gRPC library takes before it gives the stream up."""

_MAX_NAME: Final = 253
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
_METRIC_LABEL: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_SPOILS_METRICS: Final = re.compile(r'["\\\x00-\x1f\x7f]')


class RuleError(AssertionError):
    """A message breaks a rule."""


def require(condition: object, rule: str) -> None:
    """Raises RuleError, which says the rule, unless `condition` is true."""
    if not condition:
        raise RuleError(rule)


def is_proxy_name(text: str) -> bool:
    """Whether a proxy reads `text` as a DNS name without a final dot. Underscores are fine; a last
    label of nothing but digits is not, lest an IP be a name."""
    labels = text.split(".")
    return (
        len(text) <= _MAX_NAME
        and all(map(_LABEL.fullmatch, labels))
        and not (labels[-1].isascii() and labels[-1].isdigit())
    )


def check_labels(labels: Mapping[str, str], where: str) -> None:
    """Raises RuleError for labels that spoil a proxy's own /metrics: it writes them there as they
    are, names and values, without escapes."""
    for name, value in labels.items():
        require(_METRIC_LABEL.fullmatch(name), f"{where}: a label has a name for metrics: {name!r}")
        require(
            not _SPOILS_METRICS.search(value),
            f"{where}: a label's value has neither quotes, backslashes nor control characters",
        )
