"""The yardstick: what a grpc-go server that does nothing else takes for the same fan-out.

It runs in the same run, on the same box, under the same generator, so that our figures can be
read as a ratio that does not depend on the machine.
"""

import statistics

import msgspec

from bench.figures import Figure
from bench.load import Conversation, Load, build
from bench.processes import cpu_ns, settled


async def run(*, streams: int, connections: int, count: int = 10) -> list[Figure]:
    """CPU a stream and time to the last stream for `count` changes of 150 bytes."""
    async with Conversation.start(str(build()["peer"])) as server:
        address = msgspec.json.decode(await server.event("serving", 10))["address"]
        async with Load.open(address, [b""], streams=streams, connections=connections) as load:
            await load.first()
            costs, lasts = [], []
            for _ in range(count):
                await settled(server.pid)
                await load.arm()
                before = cpu_ns(server.pid)
                await server.say("change")
                lasts.append((await load.changed()).last_ms)
                await settled(server.pid)
                costs.append((cpu_ns(server.pid) - before) / 1e3)
    at = {"streams": streams, "connections": connections, "bytes": 150}
    return [
        Figure("peer_cpu_us_per_stream", statistics.median(costs) / streams, at),
        Figure("peer_last_ms", statistics.median(lasts), at),
    ]
