"""What a peer may make us hold and do, in numbers."""

from typing import Final

MAX_HEADER_BYTES: Final = 16 << 10
"""Of one request, as HTTP/2 counts header lists; what gRPC core takes too."""

MAX_HELD_BYTES: Final = 16 << 20
"""Of requests whose method has not answered yet, headers and bodies, for one connection."""

SMALL_REQUEST_BYTES: Final = 6 << 10
"""A request that holds no more is never refused for what others hold."""

READ_BYTES: Final = 32 << 10
"""Of one read. No more is read before it is worked off, so that what waits in front of another's
frame on the same connection, here and in the kernel, is worked off soon."""

RECEIVE_BUFFER_BYTES: Final = 256 << 10
"""What the kernel keeps for us of a connection: several segments of 64 KiB, as between processes of
a host. With less a sender waits 200 ms for its window now and then."""

WRITE_BYTES: Final = 256 << 10
"""One turn's share of a connection, and how much of it may wait in the process for the kernel."""

MAX_UNREAD_BYTES: Final = WRITE_BYTES + (1 << 20)
"""Beyond this a peer that makes us answer, and does not read the answers, is cut off."""

PREFACE_SECONDS: Final = 10.0
"""From accept to the client's SETTINGS."""

LINGER_SECONDS: Final = 1.0
"""From our last word on a connection to its end, for the peer to read that word."""
