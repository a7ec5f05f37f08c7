"""Any interleaving of events, polls, subscribes and closes: the laws of a feed hold."""

from dataclasses import dataclass, field

import grpc
import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from linkerd.streams import Feed, Reader, StreamEnd

MAX_EVENTS = 4
MAX_BYTES = 30
GAP = b"missed "

SIZES = st.one_of(st.integers(1, 12), st.sampled_from([MAX_BYTES, MAX_BYTES + 1]))


@dataclass(eq=False)
class Client:
    """Keeps what it polls, and checks the promise about wakes. `since` is the number of the first
    event after its subscription."""

    reader: Reader[int]
    since: int
    told: list[bytes | int] = field(default_factory=list)  # events, and how many were missed
    resting: bool = False
    woken: int = 0
    closed: bool = False

    def on_wake(self) -> None:
        self.woken += 1
        assert self.woken == 1, "two wakes without a poll between"
        assert self.resting, "woken with unread messages"
        assert not self.closed, "woken after close"

    def poll(self) -> bool:
        self.woken = 0
        message = self.reader.poll()
        self.resting = message is None
        if message is not None:
            gap = message.startswith(GAP)
            self.told.append(int(message[len(GAP) :]) if gap else message)
        return message is not None

    @property
    def position(self) -> int:
        """The number of the event after the last that it knows something of."""
        return self.since + sum(each if isinstance(each, int) else 1 for each in self.told)


class FeedMachine(RuleBasedStateMachine):
    """The reference is the list of all events; a client knows a part of it without a hole."""

    clients: Bundle[Client] = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.events: list[bytes] = []
        self.open: list[Client] = []
        self.encoded = self.emptied = self.dropped = self.missed = 0
        self.feed: Feed[int] = Feed(
            self.encode,
            max_events=MAX_EVENTS,
            max_bytes=MAX_BYTES,
            lost=lambda n: GAP + str(n).encode(),
            dropped=self.drop,
            on_empty=self.empty,
        )

    def encode(self, size: int) -> bytes:
        self.encoded += 1
        return bytes([len(self.events) % 64 + 1]) * size

    def drop(self, events: int) -> None:
        assert events > 0
        self.dropped += events

    def empty(self) -> None:
        self.emptied += 1

    @rule(sizes=st.lists(SIZES, min_size=1, max_size=6))
    def publish(self, sizes: list[int]) -> None:
        for size in sizes:
            before = self.encoded
            self.feed.publish(size)
            assert self.encoded == before + bool(self.open), "once, and for somebody"
            if self.open:
                self.events.append(bytes([len(self.events) % 64 + 1]) * size)

    @rule(target=clients)
    def subscribe(self) -> Client:
        client = Client(self.feed.subscribe(), len(self.events))
        client.reader.on_wake(client.on_wake)
        self.open.append(client)
        return client

    @rule(client=clients)
    def poll_once(self, client: Client) -> None:
        client.poll()

    @rule(client=clients)
    def poll_until_in_step(self, client: Client) -> None:
        self.poll_to_the_end(client)
        assert client.position == len(self.events)

    def poll_to_the_end(self, client: Client) -> None:
        while client.poll():
            pass

    @rule(client=consumes(clients))
    def close(self, client: Client) -> None:
        before = self.emptied
        self.missed += self.gone_before(client)  # it leaves without having been told
        self.open.remove(client)
        client.reader.close()
        client.reader.close()
        client.closed = True
        self.missed += sum(each for each in client.told if isinstance(each, int))
        assert client.reader.poll() is None
        assert self.emptied == before + (not self.open)

    def gone_before(self, client: Client) -> int:
        """How many events there are between what it knows and the next that it could be told."""
        number = max(client.position, len(self.events) - self.feed.held_events)
        while number < len(self.events) and len(self.events[number]) > MAX_BYTES:
            number += 1
        return number - client.position

    @invariant()
    def what_is_told_is_what_happened_without_a_hole(self) -> None:
        for client in self.open:
            number = client.since
            for each in client.told:
                if isinstance(each, int):
                    number += each
                else:
                    assert self.events[number] == each
                    number += 1

    @invariant()
    def nobody_misses_what_there_is_room_for(self) -> None:
        for client in self.open:
            if client.resting and not client.woken:
                assert client.position == len(self.events)

    @invariant()
    def what_is_held_is_bounded(self) -> None:
        assert self.feed.held_events <= MAX_EVENTS
        assert self.feed.held_bytes <= MAX_BYTES
        assert self.feed.held_bytes == sum(map(len, self.feed._log.values()))
        assert self.feed.subscribers == len(self.open)
        if all(client.resting and not client.woken for client in self.open):
            assert not self.feed._log

    @invariant()
    def each_drop_is_counted_once(self) -> None:
        told = sum(sum(n for n in c.told if isinstance(n, int)) for c in self.open)
        assert self.dropped == told + self.missed

    def teardown(self) -> None:
        self.feed.end(StreamEnd(grpc.StatusCode.UNAVAILABLE, "over"))
        for client in self.open:
            with pytest.raises(StreamEnd, match="UNAVAILABLE: over"):
                self.poll_to_the_end(client)
            assert client.position == len(self.events)
        self.each_drop_is_counted_once()


FeedMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestFeed = FeedMachine.TestCase
