"""Sets of endpoints that are too big for one message: proxies take 4 MiB."""

from hypothesis import given
from hypothesis import strategies as st

from services.destination.model.address import Address
from services.destination.model.endpoints import EndpointSet
from services.destination.wire.addresses import AddressEncoder
from services.destination.wire.endpoints import EndpointDeltas
from tests.support.proxy_rules import Endpoints

LABELS = (("namespace", "fin"), ("service", "ledger"))


def addresses(number: int, length: int = 200) -> list[Address]:
    pod = "ledger-5d4f7c9b8-" + "x" * length
    return [
        Address(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", 8080, labels=(("pod", pod),))
        for n in range(number)
    ]


def of(items: list[Address], origin: str = "") -> EndpointSet:
    return EndpointSet({item.socket: item for item in items}, LABELS, origin=origin)


def test_a_set_of_10_mib_is_told_in_messages_below_4_mib() -> None:
    many, reader = of(addresses(2_000, 5_000)), Endpoints()
    messages = tuple(EndpointDeltas(AddressEncoder())(None, (many,)))
    assert len(messages) == 3
    assert max(map(len, messages)) > 3.8 * 2**20
    for message in messages:
        assert reader.take(message).WhichOneof("update") == "add"
    assert reader.known.keys() == many.addresses.keys()
    assert reader.labels == dict(LABELS)


def test_a_set_of_many_is_told_in_messages_that_are_soon_encoded() -> None:
    many, none, reader = of(addresses(10_000)), of([]), Endpoints()
    delta = EndpointDeltas(AddressEncoder())
    messages = [*delta(None, (many,)), *delta((many,), (none,))]
    updates = [reader.take(message) for message in messages]
    assert [len(update.add.addrs) for update in updates] == [1_000] * 10 + [0] * 10
    assert [len(update.remove.addrs) for update in updates] == [0] * 10 + [1_000] * 10
    assert not reader.known


def test_a_first_add_of_two_origins_is_split_too() -> None:
    items, reader = addresses(10), Endpoints()
    both = of(items[:5], "here"), of(items[5:], "there")
    messages = tuple(EndpointDeltas(AddressEncoder(), max_bytes=1_000)(None, both))
    assert len(messages) > 2
    for message in messages:
        reader.take(message)
    assert len(reader.known) == 10


@given(
    before=st.sets(st.integers(0, 30)),
    after=st.sets(st.integers(0, 30)),
    most=st.integers(1, 3_000),
)
def test_whatever_fits_into_a_message(before: set[int], after: set[int], most: int) -> None:
    """One endpoint does, be it as long as it may."""
    items, reader = addresses(31), Endpoints()
    delta = EndpointDeltas(AddressEncoder(), max_bytes=most)
    last, current = of([items[n] for n in before]), of([items[n] for n in after])
    said = [delta(None, (last,)), delta((last,), (current,))]
    for message in (*said[0], *said[1]):
        update = reader.take(message)
        told = len(update.add.addrs) + len(update.remove.addrs)
        assert told <= 1 or len(message) < most + 100
    assert reader.known.keys() == current.addresses.keys()
