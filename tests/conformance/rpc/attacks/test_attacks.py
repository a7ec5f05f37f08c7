"""The known attacks on HTTP/2, one a row: how much is sent, how the connection ends, and how much
memory it may cost. Whatever it is, another client's calls and `/ping` are answered meanwhile.

`tests/support/attacks/kinds.py` has what each kind sends. How long others wait to the
millisecond, beside one and five flooding connections, is for `bench.attacks` to measure; here
nobody may wait for seconds.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import pytest

from tests.support.attacks import frames, trial
from tests.support.attacks.attacker import Order
from tests.support.attacks.kinds import KINDS
from tests.support.attacks.trial import Target
from tests.support.attacks.visits import visit

Serving = Callable[..., Target]

KIB: Final = 1 << 10
MIB: Final = 1 << 20
BURST: Final = 2000  # a tenth of what peers of h2 have in production, so that floods end sooner
LIMIT: Final = 30.0  # seconds for a connection to end that must
WAIT_MS: Final = 5000.0  # whom an attack stops waits longer
LOG_BYTES: Final = 4 * KIB

OPEN: Final = "open"  # it stands to the end: what is sent is served, dropped or slowed
CLOSED: Final = "closed"  # without a GOAWAY
CALM: Final = "ENHANCE_YOUR_CALM"
PROTOCOL: Final = "PROTOCOL_ERROR"


class Row(NamedTuple):
    """How each engine ends the connection; where it does not, `budget` bytes are sent, of which
    grpcio gets a quarter. `peak` and `core_peak` are what the attack may add to resident memory.

    gRPC core charges nobody for anything, and calls wait in it, some 15 KB each, until Python takes
    them; so its rows end with their budget, and need more memory."""

    h2: str
    grpcio: str
    budget: int = 256 * KIB
    peak: int = 32 * MIB
    core_peak: int = 48 * MIB


ROWS: Final = {
    "ping": Row(CALM, OPEN),
    "ping-ack": Row(CALM, OPEN),
    "settings": Row(CALM, OPEN),
    "settings-ack": Row(CALM, CLOSED),
    "settings-full": Row(CALM, OPEN),
    "settings-table-size": Row(CALM, OPEN),
    "settings-under-streams": Row(CALM, OPEN, budget=900 * KIB, core_peak=96 * MIB),
    "priority": Row(CALM, OPEN),
    "priority-spread": Row(CALM, OPEN),
    "unknown-frame": Row(CALM, OPEN),
    "goaway": Row(CLOSED, OPEN),
    "window-update-1": Row(CALM, OPEN),
    "window-update-1024": Row(CALM, OPEN),
    "data-empty": Row(CALM, CLOSED),
    "data-1-byte": Row(CALM, OPEN),
    "data-padding": Row(CALM, OPEN),
    "continuation": Row(CALM, OPEN),
    "continuation-empty": Row(PROTOCOL, CLOSED),
    "continuation-few": Row(CALM, OPEN),
    "hpack-bomb": Row(CALM, OPEN),
    "hpack-thrash": Row(CALM, OPEN),
    "hpack-table-size": Row(OPEN, OPEN),
    "hpack-broken": Row("COMPRESSION_ERROR", CLOSED),
    "headers-16k": Row(CALM, OPEN),
    "headers-440": Row(CALM, OPEN),
    "headers-20k": Row(CALM, OPEN),
    "headers-malformed": Row(PROTOCOL, OPEN),
    "rapid-reset": Row(CALM, OPEN),
    "rapid-reset-calls": Row(CALM, OPEN),
    "made-you-reset-no-increment": Row(PROTOCOL, CLOSED),
    "made-you-reset-overflow": Row(CALM, OPEN),
    "made-you-reset-late-data": Row(CALM, OPEN),
    "made-you-reset-late-headers": Row(CALM, OPEN),
    "made-you-reset-self-dependency": Row(PROTOCOL, OPEN),
    "made-you-reset-short-priority": Row("FRAME_SIZE_ERROR", OPEN),
    "made-you-reset-length": Row(PROTOCOL, OPEN),
    "made-you-reset-trailers": Row(PROTOCOL, CLOSED),
    "reset-closed": Row(CALM, OPEN),
    "reset-idle": Row(PROTOCOL, OPEN),
    "frames-on-reset": Row(CALM, OPEN),
    "headers-on-reset": Row(CALM, OPEN),
    "valid": Row(OPEN, OPEN),
    "valid-tiny": Row(OPEN, OPEN),
    "watches": Row(OPEN, OPEN),
    "no-such-method": Row(CALM, OPEN),
    "no-grpc": Row(CALM, OPEN),
    "no-message": Row(CALM, OPEN),
    "broken-message": Row(CALM, OPEN),
    "compressed": Row(CALM, OPEN),
    "over-the-limit": Row(CALM, OPEN),
    "large-messages": Row(OPEN, OPEN, budget=4 * MIB),
    "deadlines": Row(CALM, OPEN),
    "trailers": Row(CALM, OPEN),
    "unfinished": Row(CALM, OPEN),
    "partial-bodies": Row(OPEN, OPEN),
    "kept-bodies": Row(OPEN, OPEN),
    "push": Row(PROTOCOL, OPEN),
    "window-0": Row(OPEN, OPEN, core_peak=128 * MIB),  # core copies each stream's message
    "window-1": Row(CALM, OPEN, core_peak=128 * MIB),
    # Messages earn late what updates cost: so many cost less than burst and debt, however served.
    "window-1024": Row(OPEN, OPEN, budget=128 * KIB, core_peak=128 * MIB),
    "unread-answers": Row(CLOSED, OPEN),
    "unread-pongs": Row(CLOSED, OPEN),
    "unread-messages": Row(OPEN, OPEN, core_peak=128 * MIB),
    "slow-headers": Row(OPEN, OPEN),
    "slow-frames": Row(OPEN, OPEN),
    "half-closed": Row(CLOSED, CLOSED),
    "coming-and-going": Row(OPEN, OPEN),
    "gone-at-once": Row(OPEN, OPEN),
    "other-protocol": Row(PROTOCOL, CLOSED),
}


def test_the_table_has_all_kinds() -> None:
    assert ROWS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", ROWS)
def test_an_attack_ends_with_its_connection(serving: Serving, engine: str, kind: str) -> None:
    row = ROWS[kind]
    end, peak, budget = row.h2, row.peak, row.budget
    if engine == "grpcio":
        end, peak, budget = row.grpcio, row.core_peak, row.budget // 4
    order = Order(kind, seconds=LIMIT)
    if end == OPEN:
        order = Order(kind, seconds=0.2, most_bytes=budget)
    server = serving(burst=BURST)
    outcome = trial.attack(server, order)
    seen = outcome.witnessed
    assert outcome.attacked.ends == {end: 1}
    assert (seen.calls_failed, seen.pings_failed) == (0, 0)
    assert max(seen.calls_ms + seen.pings_ms) < WAIT_MS
    assert outcome.peak_bytes < peak
    assert outcome.log_bytes < LOG_BYTES
    visit(server.port, "served")


@pytest.mark.parametrize("engine", ["h2"])
def test_a_new_connection_brings_no_new_budget(serving: Serving, engine: str) -> None:
    del engine
    server = serving(burst=BURST)
    taken = [
        trial.attack(server, Order("ping", seconds=LIMIT)).attacked.heard[frames.PING]
        for _ in range(8)
    ]
    assert taken[-1] < taken[0] * 2 / 3
    visit(server.port, "served")
