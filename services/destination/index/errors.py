"""Why a subscription cannot be had.

    WatchError
    ├── NotFoundError        no such service, or no such pod of it (yet)
    ├── NotServableError     the service is of a kind that has no endpoints of its own
    ├── MislabelledError     the service is of another cluster and does not say which
    ├── TooManyPortsError    the service is asked for at many ports that it does not declare
    ├── NotReadError         it is of a linked cluster that has not been read yet
    └── AmbiguousIpError     several objects claim the IP at the moment

Messages go to clients: short, names only.
"""

from linkerd.index import UnclearError


class WatchError(Exception):
    """Root of the tree."""


class NotFoundError(WatchError):
    """There is no such thing now; there may be one later."""


class NotServableError(WatchError):
    """It exists and can never be answered for."""


class MislabelledError(WatchError):
    """It stands for a service of another cluster; its labels are incomplete."""


class NotReadError(WatchError):
    """It is of a linked cluster whose API server has not been read yet."""


class TooManyPortsError(WatchError):
    """Each port costs as much memory as the service has endpoints, and anybody may ask for any."""


class AmbiguousIpError(WatchError, UnclearError):
    """Temporary: an IP has been handed on and both owners are still there."""
