"""How long changes take to reach us: from when an object was written to when its event came.

The server stamps writes, in whole seconds, into `managedFields`, which the Structs leave out for
their size. Here just the newest stamp is read, from the bytes of watch events, and remembered for
the objects that changed since we watch; lists cost nothing.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from linkerd.kube.objects import Key
from linkerd.runtime.clock import Clock

_UPDATE: Final = "Update"


class _Entry(msgspec.Struct, gc=False):
    time: datetime | None = None
    operation: str = ""


class _Meta(msgspec.Struct, rename="camel"):
    managed_fields: tuple[_Entry, ...] = ()


class _Object(msgspec.Struct):
    metadata: _Meta


_OBJECT: Final = msgspec.json.Decoder(_Object)


class UpdateLag:
    """Tells `observe` the seconds between an update and its event.

    Of an object that was not seen before, nothing is known: neither is of an update that leaves the
    newest stamp as it is, such as a deletion that begins or a pod that is bound to its node.
    """

    def __init__(self, observe: Callable[[float], None], clock: Clock) -> None:
        self._observe = observe
        self._clock = clock
        self._newest: dict[Key, float] = {}

    def saw(self, key: Key, raw: bytes | msgspec.Raw) -> None:
        """An event of an object, as it came."""
        newest = newest_update(raw)
        if newest is None:
            return
        before = self._newest.get(key)
        self._newest[key] = newest
        if before is not None and before != newest:
            self._observe(max(self._clock.now().timestamp() - newest, 0.0))

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._newest.pop(key, None)

    def __len__(self) -> int:
        return len(self._newest)


def newest_update(raw: bytes | msgspec.Raw) -> float | None:
    """When the object was updated last, as its `managedFields` say, in Unix time; None if they do
    not. Never raises for any bytes."""
    try:
        entries = _OBJECT.decode(raw).metadata.managed_fields
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return max(
        (e.time.timestamp() for e in entries if e.time is not None and e.operation == _UPDATE),
        default=None,
    )
