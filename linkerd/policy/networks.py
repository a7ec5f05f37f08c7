"""Networks: blocks of addresses with parts that are left out."""

import re
from collections.abc import Iterable, Sequence
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

from linkerd.kube.objects import Block
from linkerd.policy.errors import PolicyError, shown

Address = IPv4Address | IPv6Address
IPBlock = IPv4Network | IPv6Network

_CIDR: Final = re.compile(r"[0-9A-Fa-f.:]{2,45}(?:/(?:0|[1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True)
class Network:
    """A block and the blocks that are left out of it."""

    block: IPBlock
    excluded: tuple[IPBlock, ...] = ()

    def __contains__(self, address: Address) -> bool:
        return address in self.block and not any(address in each for each in self.excluded)

    @cached_property
    def size(self) -> int:
        """How many addresses are in it."""
        left_out = _collapsed(each for each in self.excluded if overlap(each, self.block))
        if any(contains(each, self.block) for each in left_out):
            return 0
        return self.block.num_addresses - sum(each.num_addresses for each in left_out)


def parse_block(text: str) -> IPBlock:
    """`10.0.0.0/8`, `fd00::/8`; an address alone is a block of one. Bits behind the prefix do not
    count. Raises ValueError."""
    if _CIDR.fullmatch(text) is None:
        raise ValueError(f"{shown(text)} is no network: write it like 10.0.0.0/8 or fd00::/8")
    return ip_network(text, strict=False)


def contains(outer: IPBlock, inner: IPBlock) -> bool:
    """Whether all of `inner` is in `outer`, which it is when they are equal."""
    return (
        outer.version == inner.version
        and outer.prefixlen <= inner.prefixlen
        and inner.network_address in outer
    )


def overlap(one: IPBlock, other: IPBlock) -> bool:
    """Whether they have an address in common: then one contains the other."""
    return contains(one, other) or contains(other, one)


def judge_networks(blocks: Sequence[Block], field: str) -> tuple[Network, ...]:
    """What the blocks of a field say. Raises PolicyError at the first fault."""
    networks, faults = read_networks(blocks, field)
    if faults:
        raise faults[0]
    return networks


def read_networks(
    blocks: Sequence[Block], field: str
) -> tuple[tuple[Network, ...], list[PolicyError]]:
    """What can be read of the blocks of a field, and all faults: a block that cannot be read is
    left out, and so is an exception that cannot be."""
    faults: list[PolicyError] = []
    networks = (_read(block, f"{field}[{number}]", faults) for number, block in enumerate(blocks))
    return tuple(network for network in networks if network is not None), faults


def _read(block: Block, field: str, faults: list[PolicyError]) -> Network | None:
    try:
        whole = parse_block(block.cidr)
    except ValueError as error:
        faults.append(PolicyError(f"{field}.cidr", str(error)))
        return None
    excluded = []
    for number, text in enumerate(block.except_):
        try:
            excluded.append(parse_block(text))
            _check_exception(excluded[-1], whole)
        except ValueError as error:
            faults.append(PolicyError(f"{field}.except[{number}]", str(error)))
    return Network(whole, tuple(excluded))


def _check_exception(part: IPBlock, whole: IPBlock) -> None:
    if contains(part, whole):
        raise ValueError(f"the network {whole} is completely negated by its exception {part}")
    if not contains(whole, part):
        raise ValueError(f"the network {whole} does not include its exception {part}")


def _collapsed(blocks: Iterable[IPBlock]) -> list[IPBlock]:
    """Without those that are in others. All are of one family."""
    return list(collapse_addresses(blocks))  # type: ignore[type-var]  # one family, mypy sees two


ALL_NETWORKS: Final = (Network(parse_block("0.0.0.0/0")), Network(parse_block("::/0")))
"""Every address there is."""
