"""Why a subscription cannot be had.

    WatchError
    ├── NotFoundError        no such service, or no such pod of it (yet)
    ├── NotServableError     the service is of a kind that has no endpoints of its own
    └── AmbiguousIpError     several objects claim the IP at the moment

Messages go to clients: short, names only.
"""


class WatchError(Exception):
    """Root of the tree."""


class NotFoundError(WatchError):
    """There is no such thing now; there may be one later."""


class NotServableError(WatchError):
    """It exists and can never be answered for."""


class AmbiguousIpError(WatchError):
    """Temporary: an IP has been handed on and both owners are still there."""
