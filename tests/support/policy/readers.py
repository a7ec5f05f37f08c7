"""Readers of both directions' streams, as proxies are: each message replaces the last, and breaking
a rule is a RuleError. They are the clients of the law of `tests/support/indexes`."""

from linkerd.stubs.proxy import inbound_pb2, outbound_pb2
from tests.support.policy.inbound_rules import check_server
from tests.support.policy.outbound_rules import check_policy
from tests.support.rules import MAX_MESSAGE, require


class _Reader:
    """What a stream, and those after it, have told. `known` is the last message as it came, so
    that what is told in another order is not the same."""

    def __init__(self) -> None:
        self.known: bytes | None = None
        self._messages = 0  # of the stream that is open

    def reconnect(self) -> None:
        """Another stream begins; until it says something, what is known stays in use."""
        self._messages = 0

    def _note(self, raw: bytes, *, may_repeat: bool = False) -> None:
        require(len(raw) <= MAX_MESSAGE, "a message is below 4 MiB")
        is_new = not self._messages or raw != self.known
        require(is_new or may_repeat, "a message says something new")
        self.known = raw
        self._messages += 1


class PolicyReader(_Reader):
    """Of `OutboundPolicies.Watch`, or of answers to `Get`."""

    def take(self, raw: bytes) -> outbound_pb2.OutboundPolicy:
        """Takes a message. Raises RuleError."""
        policy = outbound_pb2.OutboundPolicy.FromString(raw)
        self._note(raw, may_repeat=_has_spares(policy))
        check_policy(policy)
        return policy


class ServerReader(_Reader):
    """Of `InboundServerPolicies.WatchPort`, or of answers to `GetPort`."""

    def take(self, raw: bytes) -> inbound_pb2.Server:
        """Takes a message. Raises RuleError."""
        self._note(raw)
        server = inbound_pb2.Server.FromString(raw)
        check_server(server)
        return server


def _has_spares(policy: outbound_pb2.OutboundPolicy) -> bool:
    """Whether there may be TCPRoutes that are not told."""
    routes = policy.protocol.opaque.routes
    return bool(routes) and routes[0].metadata.resource.kind == "TCPRoute"
