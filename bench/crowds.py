"""Memory under crowds: streams with large headers, and clients that come and go.

    python -m bench.crowds                      # 100,000 streams; ten rounds of 5,000 clients
    python -m bench.crowds --engine grpcio

The clients are in this process, the server in one of its own, as in production with its collector's
thresholds.
"""

import resource
from contextlib import ExitStack, closing

import click

from linkerd.rpc.engines import ENGINES
from tests.support.attacks import trial
from tests.support.attacks.frames import GET, block, call, literal
from tests.support.attacks.trial import Target
from tests.support.attacks.visits import VISITS, Visitor, visit
from tests.support.eventually import until

_MIB = 1 << 20
_AT_ONCE = 50
_BURST = 10**9  # a budget that has room for so many bytes of headers
_SLOW = ("past-deadline", "over-the-limit")  # clients that wait for time or for gRPC core


def streams(server: Target, count: int, connections: int, header_bytes: int) -> float:
    """Opens watching streams with headers of that size; resident bytes that each adds."""
    what = block(GET, literal(b"x", b"y" * header_bytes))
    before = server.resident
    with ExitStack() as clients:
        crowd = [clients.enter_context(closing(Visitor(server.port))) for _ in range(connections)]
        for first in range(0, count // connections, _AT_ONCE):
            ids = range(2 * first + 1, 2 * (first + _AT_ONCE) + 1, 2)
            for client in crowd:
                client.say(b"".join(call(each, what) for each in ids))
                client.settle()
        until(lambda: server.ask("calls") >= count, "the streams", 60)
        return (server.resident - before) / count


def rounds(server: Target, clients: int, count: int) -> list[float]:
    """Has clients of all kinds come and go; MiB resident after each round."""
    kinds = [kind for kind in VISITS if kind not in _SLOW]
    resident = []
    for _ in range(count):
        for number in range(clients):
            visit(server.port, kinds[number % len(kinds)])
        until(lambda: server.connections == 0, "the end of the connections", 60)
        resident.append(server.resident / _MIB)
    return resident


@click.command()
@click.option("--engine", type=click.Choice(list(ENGINES)), default="h2", show_default=True)
@click.option("--streams", "count", default=100_000, show_default=True)
@click.option("--connections", default=20, show_default=True)
@click.option("--header-bytes", default=8192, show_default=True)
@click.option("--clients", default=5000, show_default=True, help="In a round.")
@click.option("--rounds", "how_often", default=10, show_default=True)
def main(
    engine: str, count: int, connections: int, header_bytes: int, clients: int, how_often: int
) -> None:
    """Print what crowds leave in a server's memory."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if how_often:
        with trial.serving(engine) as server:
            print(f"idle: {server.resident / _MIB:.0f} MiB")
            taken = rounds(server, clients, how_often)
            print(
                f"after rounds of {clients:,} clients: {', '.join(f'{mib:.0f}' for mib in taken)}"
            )
    if count:
        with trial.serving(engine, burst=_BURST) as server:
            each = streams(server, count, connections, header_bytes)
            print(
                f"{count:,} streams with headers of {header_bytes:,} bytes: "
                f"{each / 1024:.1f} KiB each, {each * count / _MIB:.0f} MiB in all"
            )


if __name__ == "__main__":
    main()
