"""Streams for distinct hostnames of one large service: how long one change holds up the loop.

The index alone, with its encoders, in this process: nothing else happens between a change and the
messages that it makes. Alone and without a cluster: `python -m bench.hostnames`.
"""

import statistics
import time

from bench.figures import Figure, table
from tests.support.destination.world import EndpointStream, World
from tests.support.objects import endpoint, endpoint_slice, service

STREAMS = 20_000
ENDPOINTS = 1_000
_SLICE = 100  # endpoints in each, as Kubernetes' controller has it
_PATH = "ledger.fin.svc.mesh.test:8080"


def run(*, streams: int = STREAMS, endpoints: int = ENDPOINTS, count: int = 10) -> list[Figure]:
    """The median over changes that alternate between an endpoint going and coming back."""
    world = World()
    world.apply(
        service("ledger"), *(_slice(part, endpoints) for part in range(0, endpoints, _SLICE))
    )
    followers = [world.get(f"h{number}.{_PATH}") for number in range(streams)]
    for follower in followers:
        follower.read()
    taken = [_change(world, followers[0], gone=not number % 2) for number in range(2 * count)]
    at: dict[str, object] = {"streams": streams, "endpoints": endpoints, "changes": len(taken)}
    return [Figure("hostnames_change_ms", statistics.median(taken) * 1e3, at)]


def _change(world: World, follower: EndpointStream, *, gone: bool) -> float:
    """Seconds until the one whom it concerns has read it."""
    changed = _slice(0, _SLICE, gone=gone)
    begun = time.perf_counter()
    world.apply(changed)
    heard = follower.read()
    taken = time.perf_counter() - begun
    if heard != [("remove" if gone else "add") + " 10.4.0.0:8080"]:
        raise RuntimeError(f"the follower heard {heard}")
    return taken


def _slice(first: int, endpoints: int, *, gone: bool = False) -> object:
    numbers = range(first + gone, min(first + _SLICE, endpoints))
    listed = [endpoint(f"10.4.{n >> 8}.{n & 255}", hostname=f"h{n}") for n in numbers]
    return endpoint_slice(f"s{first}", "ledger", *listed)


if __name__ == "__main__":
    print(table(run()))
