"""IPs and sockets. IPs are text in one canonical spelling, so that they may be compared and used as
keys."""

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

Socket = tuple[str, int]
"""IP (canonical) and port. It is what proxies key their endpoints by."""


def canonical_ip(text: str) -> str | None:
    """`text` in canonical spelling, or None when it is not an IP literal. What is spelt so already
    is returned itself: whoever keeps both keeps one string.

    IPv6 with a zone suffix is not one; an IPv4-mapped IPv6 literal stays IPv6.
    """
    family = AF_INET6 if is_ipv6(text) else AF_INET
    try:
        canonical = inet_ntop(family, inet_pton(family, text))
    except (OSError, ValueError):  # ValueError: an embedded NUL or a surrogate
        return None
    return text if text == canonical else canonical


def embedded_ipv4(ip: str) -> str:
    """The IPv4 that an IPv4-mapped IPv6 (canonical) stands for, as which connections to it go out;
    any other IP as it is."""
    return ip.removeprefix("::ffff:") if "." in ip else ip


def is_ipv6(ip: str) -> bool:
    """Which of the two an IP literal is."""
    return ":" in ip
