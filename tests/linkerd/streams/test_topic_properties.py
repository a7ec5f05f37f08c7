"""Any interleaving of publishes, polls, subscribes and closes: the laws of a topic hold."""

from collections import Counter
from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
)

from linkerd.streams import Cursor, Topic

Members = frozenset[int]

# Few members, so that states repeat, deltas are empty, and the topic flaps back.
MEMBERS = st.frozensets(st.integers(0, 5), max_size=6)


@dataclass(eq=False)
class Reader:
    """A client: applies what it polls, and checks the promise about wakes."""

    cursor: Cursor[Members]
    members: set[int] = field(default_factory=set)
    resting: bool = False  # the last poll gave None
    woken: int = 0  # wakes since the last poll
    heard: bool = False  # has been told any state
    closed: bool = False

    def on_wake(self) -> None:
        self.woken += 1
        assert self.woken == 1, "two wakes without a poll between"
        assert self.resting, "woken with unread messages"
        assert not self.closed, "woken after close"

    def poll(self) -> bytes | None:
        self.woken = 0
        message = self.cursor.poll()
        self.resting = message is None
        if message is not None:
            self.heard = True
            verb, numbers = message[:1], set(message[1:])
            if verb == b"+":
                assert not numbers & self.members, "added twice"
                self.members |= numbers
            else:
                assert numbers <= self.members, "removed what was not there"
                self.members -= numbers
        return message


class TopicMachine(RuleBasedStateMachine):
    """The reference is the last published state; readers must agree with it when in step."""

    readers: Bundle[Reader] = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        self.computed: Counter[tuple[int, int]] = Counter()
        self.published: list[Members] = []
        self.open: list[Reader] = []
        self.emptied = 0
        self.behind = 0  # readers there were at the last publish: those that may be behind
        self.topic: Topic[Members] = Topic(self.delta, on_empty=self.on_empty)

    def delta(self, last: Members | None, current: Members) -> list[bytes]:
        assert current == self.published[-1]
        origin = (
            0 if last is None else 1 + max(i for i, s in enumerate(self.published) if s is last)
        )
        self.computed[origin, len(self.published)] += 1
        before = last or frozenset()
        parts = (b"+", current - before), (b"-", before - current)
        return [verb + bytes(sorted(numbers)) for verb, numbers in parts if numbers]

    def on_empty(self) -> None:
        self.emptied += 1

    @rule(members=MEMBERS)
    def publish(self, members: Members) -> None:
        if not self.published or self.published[-1] != members:
            # A state of its own even if it occurred before, so that `delta` can tell them apart.
            self.published.append(frozenset(list(members)))
            self.behind = len(self.open)
            self.topic.publish(self.published[-1])
        else:
            version = self.topic.version
            self.topic.publish(members)
            assert self.topic.version == version

    @rule(target=readers)
    def subscribe(self) -> Reader:
        reader = Reader(self.topic.subscribe())
        reader.cursor.on_wake(reader.on_wake)
        self.open.append(reader)
        return reader

    @rule(reader=readers)
    def poll_once(self, reader: Reader) -> None:
        reader.poll()

    @rule(reader=readers)
    def poll_to_the_end(self, reader: Reader) -> None:
        while reader.poll() is not None:
            pass

    @rule(reader=consumes(readers))
    def close(self, reader: Reader) -> None:
        before = self.emptied
        self.open.remove(reader)
        reader.cursor.close()
        reader.closed = True
        assert self.emptied == before + (not self.open)

    @precondition(lambda self: self.open)
    @rule(members=MEMBERS)
    def publish_and_poll_inside_the_wake(self, members: Members) -> None:
        """As an engine may that writes at once; nobody else may notice."""
        reader = self.open[0]

        def wake() -> None:
            reader.on_wake()
            reader.poll()

        reader.cursor.on_wake(wake)
        self.publish(members)
        reader.cursor.on_wake(reader.on_wake)

    @invariant()
    def readers_in_step_agree_with_the_topic(self) -> None:
        for reader in self.open:
            if reader.resting and not reader.woken and self.published:
                assert reader.members == self.published[-1]

    @invariant()
    def nobody_hears_of_an_unknown_state(self) -> None:
        assert self.published or not any(reader.heard for reader in self.open)

    @invariant()
    def each_delta_is_computed_once(self) -> None:
        assert all(count == 1 for count in self.computed.values())

    @invariant()
    def memory_is_bounded_by_the_versions_held(self) -> None:
        assert len(self.topic._deltas) <= self.behind + 1
        assert self.topic.subscribers == len(self.open)
        assert len(self.topic._in_step) <= len(self.open)

    def teardown(self) -> None:
        for reader in self.open:
            while reader.poll() is not None:
                pass
            assert not self.published or reader.members == self.published[-1]


TopicMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestTopic = TopicMachine.TestCase
