"""Spellings of IPs."""

import pytest

from linkerd.mesh.addresses import canonical_ip, embedded_ipv4


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("FD00:0:0::1", "fd00::1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("10.0.0.01", None),
        ("fe80::1%eth0", None),
        ("10.0.0.1\0", None),
        ("", None),
    ],
)
def test_one_spelling(text: str, canonical: str | None) -> None:
    assert canonical_ip(text) == canonical


@pytest.mark.parametrize("text", ["10.0.0.1", "fd00::1"])
def test_what_is_spelt_so_already_stays_the_same_string(text: str) -> None:
    """Of hundreds of thousands of pods a second copy is felt."""
    assert canonical_ip(text) is text


@pytest.mark.parametrize(
    ("ip", "sent_to"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("fd00::1", "fd00::1"),
        ("::10.0.0.1", "::10.0.0.1"),
        ("64:ff9b::a00:1", "64:ff9b::a00:1"),
    ],
)
def test_ipv4_in_ipv6(ip: str, sent_to: str) -> None:
    assert embedded_ipv4(ip) == sent_to
