"""Steps from one endpoint set to another. Ids of the catalogue: T52, T53, T57, T58, T70, T71."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from linkerd.stubs.proxy import destination_pb2 as pb
from services.destination.model.address import Address, TlsIdentity
from services.destination.model.endpoints import EndpointSet
from services.destination.wire.addresses import AddressEncoder
from services.destination.wire.endpoints import EndpointDeltas
from tests.support.proxy_rules import Endpoints, Socket

A = Address("10.4.0.1", 8080, labels=(("pod", "a"),), zone="z1")
B = Address("10.4.0.2", 8080, labels=(("pod", "b"),), zone="z2")
C = Address("fd00:4::3", 8080, labels=(("pod", "c"),))
ABC = {address.socket: address for address in (A, B, C)}


Told = Callable[[tuple[EndpointSet, ...] | None, tuple[EndpointSet, ...]], tuple[bytes, ...]]


def deltas(*, zone_weights: bool = False) -> Told:
    delta = EndpointDeltas(AddressEncoder(zone_weights=zone_weights))
    return lambda last, current: tuple(delta(last, current))


def of(*addresses: Address, zone: str = "") -> tuple[EndpointSet]:
    return (EndpointSet({address.socket: address for address in addresses}, zone=zone),)


def kinds(messages: tuple[bytes, ...], reader: Endpoints | None = None) -> list[str]:
    reader = reader or Endpoints(messages=1)
    return [str(reader.take(message).WhichOneof("update")) for message in messages]


def test_t58_three_added_then_one_removed() -> None:
    delta, reader = deltas(), Endpoints()
    three, two = of(A, B, C), of(A, C)
    (first,) = delta(None, three)
    added = reader.take(first).add.addrs
    assert [item.weight for item in added] == [10_000] * 3
    (second,) = delta(three, two)
    assert reader.take(second).WhichOneof("update") == "remove"
    assert set(reader.known) == {A.socket, C.socket}


def test_t52_t57_an_add_and_a_remove_are_a_message_each() -> None:
    delta = deltas()
    before, after = of(A), of(B)
    assert kinds(delta(None, before), Endpoints()) == ["add"]
    reader = Endpoints(known={A.socket: b""}, messages=1)
    assert kinds(delta(before, after), reader) == ["add", "remove"]


def test_t53_recovery_after_emptiness() -> None:
    delta, reader = deltas(), Endpoints()
    states = [of(A), of(), of(A)]
    said = kinds(delta(None, states[0]), reader)
    said += kinds(delta(states[0], states[1]), reader) + kinds(delta(states[1], states[2]), reader)
    assert said == ["add", "remove", "add"]


def test_a_fresh_stream_of_an_empty_set_is_told_so() -> None:
    assert kinds(deltas()(None, of()), Endpoints()) == ["no_endpoints"]


def test_changed_metadata_is_added_again_without_a_remove() -> None:
    changed = replace(A, identity=TlsIdentity("x.test"), memo={})
    reader = Endpoints(known={A.socket: b""}, messages=1)
    assert kinds(deltas()(of(A, B), of(changed, B)), reader) == ["add"]


def test_what_only_filters_see_is_not_told() -> None:
    hinted = replace(A, zone_hints=frozenset({"z1"}), hostname="a", node="n", memo={})
    assert deltas()(of(A), of(hinted)) == ()


def test_another_zone_of_the_reader_re_adds_everything() -> None:
    reader = Endpoints()
    here, there = of(A, B, zone="z1"), of(A, B, zone="z2")
    delta = deltas()
    reader.take(delta(None, here)[0])
    again = reader.take(delta(here, there)[0]).add
    assert [item.metric_labels["zone_locality"] for item in again.addrs] == ["remote", "local"]


def test_another_zone_of_an_endpoint_is_told() -> None:
    moved = replace(A, zone="z2", memo={})
    (message,) = deltas()(of(A, B, zone="z1"), of(moved, B, zone="z1"))
    (item,) = Endpoints(messages=1).take(message).add.addrs
    assert item.metric_labels["zone_locality"] == "remote"


def test_other_labels_of_the_set_re_add_everything() -> None:
    before = of(A, B)
    after = (EndpointSet(before[0].addresses, (("service", "x"),)),)
    reader = Endpoints()
    delta = deltas()
    reader.take(delta(None, before)[0])
    assert kinds(delta(before, after), reader) == ["add"]
    assert reader.labels == {"service": "x"}


def test_t70_t71_zone_weights() -> None:
    for weights, expected in ((False, [10_000, 10_000]), (True, [100_000, 10_000])):
        here, there = replace(A, memo={}), replace(B, memo={})  # encoded by nobody yet
        (message,) = deltas(zone_weights=weights)(None, of(here, there, zone="z1"))
        assert [item.weight for item in Endpoints().take(message).add.addrs] == expected


def test_readers_in_step_share_the_bytes_across_topics() -> None:
    delta = deltas()
    before = of(A)
    after = (before[0].successor(ABC, [B.socket, C.socket]),)
    assert delta(before, after)[0] is delta(before, after)[0]
    assert delta(None, after)[0] is delta(None, after)[0]


def test_the_memo_of_a_set_is_bounded() -> None:
    delta, now = deltas(), of(A)
    for _ in range(200):
        delta(of(A, B), now)
    assert len(now[0].memo) <= 64


EVERY = [A, B, C, replace(A, labels=(("pod", "d"),), memo={})]
SETS = st.lists(st.sampled_from(EVERY), max_size=3)


class History:
    """An origin's set, which changes in ways that its index may choose: it knows its predecessor,
    or it was made anew."""

    def __init__(self, origin: str) -> None:
        self.now = EndpointSet({}, (("service", origin),), origin=origin)

    def step(self, data: st.DataObject) -> None:
        table = {address.socket: address for address in data.draw(SETS)}
        touched: list[Socket] = list({*table, *self.now.addresses})
        if data.draw(st.booleans()):
            self.now = self.now.successor(table, touched)
        else:
            self.now = EndpointSet(table, self.now.labels, origin=self.now.origin)


@settings(max_examples=150)
@given(st.lists(st.sets(st.sampled_from("xyz")), min_size=1, max_size=8), st.data())
def test_any_reader_ends_where_the_sets_are(present: list[set[str]], data: st.DataObject) -> None:
    """However many versions a reader skips, whether sets know their predecessors or not, and
    whichever origins come and go, with sockets that several of them have."""
    delta, reader = deltas(), Endpoints()
    histories = {origin: History(origin) for origin in "xyz"}
    last: tuple[EndpointSet, ...] | None = None
    state: tuple[EndpointSet, ...] = ()
    for origins in present:
        if data.draw(st.booleans()):
            kinds(delta(last, state), reader)
            last = state
        for origin in sorted(origins):
            histories[origin].step(data)
        state = tuple(histories[origin].now for origin in sorted(origins))
    kinds(delta(last, state), reader)
    fresh = Endpoints()
    kinds(delta(None, state), fresh)
    assert reader.told == fresh.told
    assert told(reader.known) == {
        at: address for part in reversed(state) for at, address in part.addresses.items()
    }


def told(known: dict[Socket, bytes]) -> dict[Socket, Address]:
    """Which of our addresses a reader's bytes are of."""
    return {at: next(a for a in EVERY if is_of(raw, a, at)) for at, raw in known.items()}


def is_of(raw: bytes, address: Address, at: Socket) -> bool:
    pod = pb.WeightedAddr.FromString(raw).metric_labels["pod"]
    return address.socket == at and dict(address.labels)["pod"] == pod


def test_t94_all_origins_at_first_and_then_a_message_for_each() -> None:
    """A proxy drops what the first Add of a stream does not have, so that one is whole."""
    here = EndpointSet({A.socket: A}, (("namespace", "fin"), ("service", "ledger")), origin="here")
    north = EndpointSet({B.socket: B}, (("namespace", "fin"), ("service", "other")), origin="north")
    delta, reader = deltas(), Endpoints()
    (first,) = (reader.take(message).add for message in delta(None, (here, north)))
    assert dict(first.metric_labels) == {"namespace": "fin"}
    assert [item.metric_labels["service"] for item in first.addrs] == ["ledger", "other"]
    assert kinds(delta((here, north), (here,)), reader) == ["remove"]
    (again,) = (reader.take(message).add for message in delta((here,), (here, north)))
    assert dict(again.metric_labels) == dict(north.labels)
    nobody = (EndpointSet({}), EndpointSet({}, origin="north"))
    assert kinds(delta(None, nobody), Endpoints()) == ["no_endpoints"]


def test_labels_of_an_address_win_over_those_of_its_set_in_an_add_of_all() -> None:
    """A pod's owner may be called as labels of sets are."""
    owned = Address("10.4.0.1", 8080, labels=(("service", "owner"),))
    here = EndpointSet({owned.socket: owned}, (("service", "ledger"),), origin="here")
    there = EndpointSet({B.socket: B}, (("service", "vault"),), origin="there")
    (message,) = deltas()(None, (here, there))
    add = Endpoints().take(message).add
    told = {item.addr.ip.ipv4 & 255: item.metric_labels["service"] for item in add.addrs}
    assert told == {1: "owner", 2: "vault"}
