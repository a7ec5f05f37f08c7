"""Topics and cursors: one immutable state, many readers, each at its own pace.

An index publishes states to a `Topic`; a gRPC method returns a cursor on it (a `Subscription`); the
engine in `linkerd.rpc` polls it. Nothing here awaits, queues or knows protobuf.
"""

from linkerd.streams.subscription import StreamEnd, Subscription, drain
from linkerd.streams.topic import Cursor, Topic

__all__ = ["Cursor", "StreamEnd", "Subscription", "Topic", "drain"]
