"""Networks: how they are written, what is in them, and how large they are."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.objects import Block
from linkerd.policy.errors import PolicyError
from linkerd.policy.networks import (
    IPBlock,
    Network,
    contains,
    judge_networks,
    overlap,
    parse_block,
    read_networks,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("FD00::/8", "fd00::/8"),
        ("::1", "::1/128"),
        ("::ffff:10.0.0.1/128", "::ffff:a00:1/128"),
    ],
)
def test_blocks_are_read(text: str, canonical: str) -> None:
    assert str(parse_block(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "", "10", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0/8", "fd00::/129", "fe80::1%eth0",
        "fe80::1%eth0/64", "10.0.0.0/8 ", "10.0.0.0/08", "10.0.0.0/", "/8", "host", "010.0.0.0/8",
        "10.0.0.0/-1", "\u0661\u0660.0.0.0/8", "::/0/0", "1" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_block_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse_block(text)


@pytest.mark.parametrize(
    ("cidr", "exceptions", "fault"),
    [
        ("10.4.0.0/16", ("10.4.7.0/24",), None),
        ("10.4.0.0/16", ("10.4.0.0/16",), "spec.networks[0].except[0]: .* is completely negated"),
        ("10.4.0.0/16", ("10.0.0.0/8",), "spec.networks[0].except[0]: .* is completely negated"),
        ("10.4.0.0/16", ("10.4.7.0/24", "10.9.0.0/24"), "except[1]: .* does not include"),
        ("10.4.0.0/16", ("fd00::/64",), "does not include"),
        ("10.4.0.0/16", ("ten",), "except[0]: 'ten' is no network"),
        ("ten", (), "spec.networks[0].cidr: 'ten' is no network"),
    ],
)
def test_a06_p10_exceptions_lie_within(
    cidr: str, exceptions: tuple[str, ...], fault: str | None
) -> None:
    blocks = [Block(cidr, exceptions)]
    if fault is None:
        (network,) = judge_networks(blocks, "spec.networks")
        assert str(network.block) == cidr
        return
    with pytest.raises(PolicyError, match=fault.replace("[", r"\[")):
        judge_networks(blocks, "spec.networks")


def test_what_can_be_read_is_kept_beside_what_cannot() -> None:
    blocks = [Block("ten"), Block("10.0.0.0/8", ("x", "10.1.0.0/16")), Block("fd00::/8")]
    networks, faults = read_networks(blocks, "n")
    assert networks == (
        Network(parse_block("10.0.0.0/8"), (parse_block("10.1.0.0/16"),)),
        Network(parse_block("fd00::/8")),
    )
    assert [fault.field for fault in faults] == ["n[0].cidr", "n[1].except[0]"]


def test_exceptions_that_are_odd_are_faults_and_count() -> None:
    """A network that its exception covers has no address; one outside of it takes none away."""
    blocks = [Block("10.0.0.0/8", ("0.0.0.0/0",)), Block("10.0.0.0/8", ("11.0.0.0/8",))]
    networks, faults = read_networks(blocks, "n")
    assert [network.size for network in networks] == [0, 2**24]
    assert [fault.field for fault in faults] == ["n[0].except[0]", "n[1].except[0]"]


def _small(address: int, prefix: int) -> IPBlock:
    return parse_block(f"192.0.2.{address}/{prefix}")


SMALL = st.builds(_small, st.integers(0, 255), st.integers(24, 32))
ADDRESSES = [IPv4Address(f"192.0.2.{last}") for last in range(256)]


@given(SMALL, st.lists(SMALL, max_size=4))
def test_a_network_is_the_set_of_its_addresses(block: IPBlock, excluded: list[IPBlock]) -> None:
    network = Network(block, tuple(excluded))
    members = [address for address in ADDRESSES if address in network]
    assert len(members) == network.size


@given(SMALL, SMALL)
def test_blocks_contain_each_other_or_are_apart(one: IPBlock, other: IPBlock) -> None:
    first, second = ({a for a in ADDRESSES if a in block} for block in (one, other))
    assert contains(one, other) == (first >= second)
    assert overlap(one, other) == bool(first & second)


def test_large_networks_of_ipv6_are_not_small() -> None:
    sizes = [Network(parse_block(text)).size for text in ("::/0", "fd00::/8", "fd00::/64", "::1")]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1


def test_a_network_is_of_one_family() -> None:
    assert ip_address("::a00:1") not in Network(parse_block("10.0.0.0/8"))
    assert IPv6Address("::1") in Network(parse_block("::/0"))
