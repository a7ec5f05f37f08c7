"""What changes, and those who follow it, each at its own pace.

A `Topic` is one immutable state; its reader, a cursor, is told what it lacks. A `Feed` is events,
kept in a bounded log; its reader is told those, or how many it missed. Whoever owns one publishes;
a gRPC method returns a reader (a `Subscription`); the engine in `linkerd.rpc` polls it. Nothing
here awaits or knows protobuf.
"""

from linkerd.streams.feed import Feed, Reader
from linkerd.streams.messages import Messages, Told
from linkerd.streams.subscription import StreamEnd, Subscription, drain
from linkerd.streams.topic import Cursor, Topic

__all__ = [
    "Cursor",
    "Feed",
    "Messages",
    "Reader",
    "StreamEnd",
    "Subscription",
    "Told",
    "Topic",
    "drain",
]
