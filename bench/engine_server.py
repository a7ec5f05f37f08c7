"""Our gRPC engine alone: one topic, no Kubernetes, no index, nothing to encode.

What it costs beyond the grpc-go peer is the engine's; what destination costs beyond this is the
service's. The protocol is the peer's: it prints where it serves, and every line on standard
input is one change.

    python -m bench.engine_server [h2|grpcio [BYTES]]

BYTES is the size of the first message.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence

from linkerd.rpc.engines import ENGINES
from linkerd.rpc.methods import Call, service
from linkerd.runtime.logs import configure_logging
from linkerd.runtime.process import Process, run
from linkerd.runtime.values import HostPort
from linkerd.streams import Subscription, Topic
from linkerd.stubs.proxy import destination_pb2

FIRST = 20_000
DELTA = bytes(150)


async def _main(process: Process) -> None:
    engine, size = [*sys.argv[1:], *("h2", str(FIRST))[len(sys.argv) - 1 :]]
    first = bytes(int(size))

    def delta(last: int | None, current: int) -> Sequence[bytes]:
        return (first,) if last is None else (DELTA,)

    topic = Topic(delta, 0)

    async def watch(request: object, call: Call) -> Subscription:
        del request, call
        return topic.subscribe()

    table = service(
        destination_pb2.DESCRIPTOR.services_by_name["Destination"], Get=watch, GetProfile=watch
    )
    server = ENGINES[engine](
        HostPort("127.0.0.1", 0), [table], readiness=process.readiness, registry=process.registry
    )
    port = await server.start()
    process.defer(lambda: server.stop(0))

    def change() -> None:
        lines = os.read(sys.stdin.fileno(), 4096)
        if not lines:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            process.stop()
        for _ in range(lines.count(b"\n")):
            topic.publish((topic.state or 0) + 1)

    asyncio.get_running_loop().add_reader(sys.stdin, change)
    print(json.dumps({"event": "serving", "address": f"127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    configure_logging("warn", "plain")
    raise SystemExit(run(_main, name="bench-engine"))
