"""What lies below our figures, taken in the same run on the same box.

`peer` is a grpc-go server that does nothing but the fan-out; `engine` is the gRPC engine that
destination runs on, with a topic and nothing else, and `grpcio` the one on gRPC core. All get a
first message of 20,000 bytes out, and changes of 150 bytes.
"""

import statistics
import sys

import msgspec

from bench.figures import Figure
from bench.load import Conversation, Load, build
from bench.processes import cpu_ns, rss_bytes, settled


async def peer(*, streams: int, connections: int, count: int = 10) -> list[Figure]:
    """The grpc-go server."""
    return await _measure("peer", [str(build()["peer"])], streams, connections, count)


async def engine(*, streams: int, connections: int, count: int = 10) -> list[Figure]:
    """The engine of destination."""
    return await _measure("engine", _server("h2"), streams, connections, count)


async def grpcio(*, streams: int, connections: int, count: int = 10) -> list[Figure]:
    """The engine on gRPC core."""
    return await _measure("grpcio", _server("grpcio"), streams, connections, count)


def _server(engine: str) -> list[str]:
    return [sys.executable, "-m", "bench.engine_server", engine]


async def _measure(
    name: str, command: list[str], streams: int, connections: int, count: int
) -> list[Figure]:
    async with Conversation.start(*command) as server:
        address = msgspec.json.decode(await server.event("serving", 30))["address"]
        await settled(server.pid)
        memory, cpu = rss_bytes(server.pid), cpu_ns(server.pid)
        async with Load.open(address, [b""], streams=streams, connections=connections) as load:
            first = await load.first()
            await settled(server.pid)
            cpu = cpu_ns(server.pid) - cpu
            memory = rss_bytes(server.pid) - memory
            taken = [await _change(server, load) for _ in range(count)]
    at = {"streams": streams, "connections": connections, "bytes": 150, "changes": count}
    values = {
        "cpu_us_per_stream": statistics.median(cost for cost, _ in taken) / streams,
        "kib_per_stream": memory / 1024 / streams,
        "last_ms": statistics.median(last for _, last in taken),
        "first_all_s": first.last_ms / 1e3,
        "first_all_cpu_s": cpu / 1e9,
    }
    return [Figure(f"{name}_{key}", value, at) for key, value in values.items()]


async def _change(server: Conversation, load: Load) -> tuple[float, float]:
    """Server CPU in microseconds, and milliseconds to the last stream."""
    await load.arm()
    before = cpu_ns(server.pid)
    await server.say("change")
    wave = await load.changed()
    await settled(server.pid)
    return (cpu_ns(server.pid) - before) / 1e3, wave.last_ms
