"""Networks: blocks of addresses with parts that are left out."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_network,
)
from typing import Final

Address = IPv4Address | IPv6Address
Block = IPv4Network | IPv6Network

_CIDR: Final = re.compile(r"[0-9A-Fa-f.:]{2,45}(?:/(?:0|[1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True)
class Network:
    """A block and the blocks that are left out of it."""

    block: Block
    excluded: tuple[Block, ...] = ()

    def __contains__(self, address: Address) -> bool:
        return address in self.block and not any(address in each for each in self.excluded)

    @cached_property
    def size(self) -> int:
        """How many addresses are in it."""
        left_out = _collapsed(each for each in self.excluded if overlap(each, self.block))
        if any(contains(each, self.block) for each in left_out):
            return 0
        return self.block.num_addresses - sum(each.num_addresses for each in left_out)


def parse_block(text: str) -> Block:
    """`10.0.0.0/8`, `fd00::/8`; an address alone is a block of one. Bits behind the prefix do not
    count. Raises ValueError."""
    if _CIDR.fullmatch(text) is None:
        raise ValueError(f"{text[:64]!r} is no network: write it like 10.0.0.0/8 or fd00::/8")
    return ip_network(text, strict=False)


def contains(outer: Block, inner: Block) -> bool:
    """Whether all of `inner` is in `outer`, which it is when they are equal."""
    return (
        outer.version == inner.version
        and outer.prefixlen <= inner.prefixlen
        and inner.network_address in outer
    )


def overlap(one: Block, other: Block) -> bool:
    """Whether they have an address in common: then one contains the other."""
    return contains(one, other) or contains(other, one)


def _collapsed(blocks: Iterable[Block]) -> list[Block]:
    """Without those that are in others. All are of one family."""
    return list(collapse_addresses(blocks))  # type: ignore[type-var]  # one family, mypy sees two


ALL_NETWORKS: Final = (Network(parse_block("0.0.0.0/0")), Network(parse_block("::/0")))
"""Every address there is."""
